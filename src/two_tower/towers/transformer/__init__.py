"""History encoder with causal attention."""
