"""Evaluation: queries, ranks, top-k lists, metrics, report and plots."""
