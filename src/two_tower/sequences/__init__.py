"""Histories, splits, windows, queries and vocabularies, made of interactions."""
