"""Item embeddings, user embeddings, test queries and the query tower."""
