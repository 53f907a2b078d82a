"""Training: inputs, data loader, objectives, the fit loop and its checkpoints."""
