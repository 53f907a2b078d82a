"""Indexes over item vectors, the bundle that carries one, and the recommender."""
