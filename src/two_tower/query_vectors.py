"""What ranks the catalogue, computed block by block so that it never exists whole."""

from typing import Final

import numpy as np

from two_tower.types import FloatArray

AXES_OF_SINGLE: Final = 2  # [B, D], where [B, V, D] holds several vectors of a user


def with_vector_axis(queries: FloatArray) -> FloatArray:
    """Return `[B, V, D]`, the V vectors of each user; `[B, D]` is one of each."""
    return queries[:, np.newaxis] if queries.ndim == AXES_OF_SINGLE else queries
