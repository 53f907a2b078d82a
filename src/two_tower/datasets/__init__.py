"""Kedro datasets: one class per file."""
