"""Batches of a training: windows, positions or pairs, with sampled negatives."""
