"""From item embeddings to an index that is known to be good enough."""
