"""Negative sampling: the candidates that queries are scored against."""
