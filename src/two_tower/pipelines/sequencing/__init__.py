"""Sequencing: interactions as histories, windows, queries, vocabularies, features."""
