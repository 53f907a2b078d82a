"""Where the items of a history stand."""

from keras import ops

from two_tower.types import Tensor


def ages_of_places(is_real: Tensor, max_length: int) -> Tensor:
    """Return how many items are newer than that of each place.

    Args:
        is_real: `[B, T]` bool, False for the padding behind each history.
        max_length: from this many on, it is as many less 1.

    Returns:
        `[B, T]` int32 in [0, max_length - 1]; padding's have no meaning.
    """
    lengths = ops.sum(ops.cast(is_real, "int32"), axis=1, keepdims=True)
    newer = lengths - 1 - ops.arange(ops.shape(is_real)[1], dtype="int32")
    return ops.clip(newer, 0, max_length - 1)
