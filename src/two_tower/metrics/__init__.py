"""Ranks of positives and metrics of them in NumPy: accuracy, baselines, intervals."""
