"""Numbers in buckets that grow with them, exactly alike on every machine."""

from typing import Final

from keras import ops

from two_tower.types import Tensor

# A float32 has its exponent above 23 bits of mantissa; 1.0 has the exponent 127.
MANTISSA_BITS, EXPONENT_OF_ONE = 23, 127

# Two buckets while seconds double; int32 has 31 doublings. Bucket 0 is for the unknown.
TIME_BITS: Final = 1
N_TIME_BUCKETS: Final = (31 << TIME_BITS) + 2

# Each of the first 15 distances has a bucket; then eight share out each doubling, and
# what is 4,095 items away or more shares the last one.
POSITION_BITS: Final = 3
N_POSITION_BUCKETS: Final = (12 << POSITION_BITS) + 1


def log_buckets(numbers: Tensor, *, bits: int) -> Tensor:
    """Return rising buckets, `2^bits` of them while `number + 1` doubles.

    They are the leading bits of the number as a float32, so that no logarithm's last
    digit moves a number from one bucket to the next.

    Args:
        numbers: int32 of any shape, 0 or more.
        bits: how many of the mantissa count.

    Returns:
        int32 of the same shape; 0 is in bucket 0.
    """
    as_float = ops.cast(numbers, "float32") + 1.0
    # To see them as integers, the last dimension's size must be known.
    as_bits = ops.squeeze(ops.view(ops.expand_dims(as_float, -1), "int32"), -1)
    leading = ops.right_shift(as_bits, MANTISSA_BITS - bits)
    return leading - (EXPONENT_OF_ONE << bits)


def position_buckets(length: int | Tensor) -> Tensor:
    """Return `[T, T]` int32, the bucket of how far position t is behind position j.

    Distances to later positions are in bucket 0; nobody reads them.

    Args:
        length: T.
    """
    position = ops.arange(length, dtype="int32")
    distance = ops.expand_dims(position, 1) - ops.expand_dims(position, 0)
    buckets = log_buckets(ops.maximum(distance, 0), bits=POSITION_BITS)
    return ops.minimum(buckets, N_POSITION_BUCKETS - 1)


def time_buckets(older: Tensor, newer: Tensor) -> Tensor:
    """Return the bucket of the time between events, 0 where one's time is unknown.

    Args:
        older: int32 ages in seconds and 1, 0 where unknown.
        newer: likewise, of a shape that broadcasts with it; of events that are newer
            or as old. Older ones count as equally old.

    Returns:
        int32 below `N_TIME_BUCKETS`, of the shape of both.
    """
    is_known = ops.logical_and(older > 0, newer > 0)
    seconds = ops.maximum(older - newer, 0)
    return ops.where(is_known, 1 + log_buckets(seconds, bits=TIME_BITS), 0)
