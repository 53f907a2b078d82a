"""MovieLens: the formats of its releases, reading, downloading and simulating them."""
