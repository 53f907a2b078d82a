"""New items for the deployed model and index, without training."""
