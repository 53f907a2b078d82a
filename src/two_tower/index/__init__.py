"""Item index: nearest-neighbour search over item vectors."""
