"""How good a ranking is: ranks, figures, baselines, intervals and slices in NumPy."""
