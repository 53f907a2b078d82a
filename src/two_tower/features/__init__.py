"""Features of items and users: kinds, vocabulary and encoding."""
