"""Metrics of the retrieval: exact, through the index, and of the baselines."""
