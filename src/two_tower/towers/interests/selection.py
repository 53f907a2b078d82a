"""What users of several vectors are to items, and which of their vectors matter."""

from keras import ops

from two_tower.types import Tensor


def flat_view(vectors: Tensor) -> Tensor:
    """Return `[B · V, D]` of `[B, V, D]`: a user's vectors one behind the other."""
    return ops.reshape(vectors, (-1, vectors.shape[-1]))


def best_vectors(vectors: Tensor, scores: Tensor, k: int) -> Tensor:
    """Return the k vectors of each user that have the greatest scores, best first.

    Args:
        vectors: `[B, V, D]` float.
        scores: `[B, V]` float.
        k: from 1 to V.

    Returns:
        `[B, k, D]` float.

    Raises:
        ValueError: if there are not k vectors.
    """
    if not 1 <= k <= vectors.shape[1]:
        raise ValueError(
            f"the best {k} of {vectors.shape[1]} vectors were asked for; ask for 1 to "
            f"{vectors.shape[1]}"
        )
    _, places = ops.top_k(scores, k)
    return ops.take_along_axis(vectors, ops.expand_dims(places, -1), axis=1)
