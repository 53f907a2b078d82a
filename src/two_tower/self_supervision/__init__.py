"""Self-supervision of item features: which items, and which features each view has."""
