"""Simulator of MovieLens archives: movies, users, their interests and their ratings."""
