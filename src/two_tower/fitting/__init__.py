"""Everything between the sequences on disk and a trained model."""
