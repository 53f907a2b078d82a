"""Apply the trained towers: item, user and query embeddings, and the query tower."""
