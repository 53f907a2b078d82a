"""New items into the deployed model's embeddings and index, with no training."""
