"""MovieLens: formats of its releases, and how to download and read them."""
