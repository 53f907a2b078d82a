"""From an index and users' embeddings to the items to show them."""
