"""Axes of query vectors: one vector per user, or several."""

from typing import Final

import numpy as np

from two_tower.types import FloatArray

AXES_OF_SINGLE: Final = 2  # [B, D]; several vectors per user are [B, V, D]


def with_vector_axis(queries: FloatArray) -> FloatArray:
    """Return `[B, V, D]`, the V vectors of each user; of `[B, D]` V is 1."""
    return queries[:, np.newaxis] if queries.ndim == AXES_OF_SINGLE else queries
