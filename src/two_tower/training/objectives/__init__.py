"""Objectives: from towers and a batch to a loss and metrics."""
