"""Simulate a MovieLens archive whose users have known, drifting interests."""
