"""How good the retrieval is: exact, through the index, and beside the baselines."""
