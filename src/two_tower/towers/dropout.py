"""Dropout whose random numbers cost a few integer operations each."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from two_tower.types import Tensor

# A bijection of 32 bits in which a change of any input bit changes each output bit
# with a chance of nearly a half ("lowbias32", Wellons, Prospecting for Hash Functions,
# 2018).
FIRST_SHIFT, SECOND_SHIFT, LAST_SHIFT = 16, 15, 16
FIRST_FACTOR, SECOND_FACTOR = 0x7FEB352D, 0x846CA68B

# 2³² over the golden ratio: its multiples are far apart (a Weyl sequence).
GOLDEN = 0x9E3779B9

N_NUMBERS = 2**32


def mix(numbers: Tensor) -> Tensor:
    """Return `[...]` uint32, a bijection of `[...]` uint32 that looks random."""
    numbers = _fold(numbers, FIRST_SHIFT) * _uint32(FIRST_FACTOR)
    numbers = _fold(numbers, SECOND_SHIFT) * _uint32(SECOND_FACTOR)
    return _fold(numbers, LAST_SHIFT)


def is_kept(shape: Sequence[Any], state: Tensor, *, rate: float) -> Tensor:
    """Return the mask of kept elements, each sampled independently.

    An element's random number is a function of its index and the state. It can be
    computed again anywhere, in any order: a compiler fuses it with the code that reads
    it, and neither numbers nor generator state are written to memory.

    Args:
        shape: shape of the result; sizes may be known at run time only.
        state: `[2]` integers, the seed and the number of earlier calls.
        rate: share of elements that are dropped, in [0, 1).

    Returns:
        `shape` bool.

    References:
        Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011 (counters
        in place of a state); the cipher here is weaker and cheaper.
    """
    seed, count = ops.cast(state[0], "uint32"), ops.cast(state[1], "uint32")
    first = mix(mix(seed) + count * _uint32(GOLDEN))
    second = mix(first + _uint32(GOLDEN))
    index = ops.cast(ops.arange(math.prod(shape), dtype="int32"), "uint32")
    # The second key enters late, or two states would read parts of one sequence.
    numbers = _fold(index + first, FIRST_SHIFT) * _uint32(FIRST_FACTOR) + second
    numbers = _fold(numbers, SECOND_SHIFT) * _uint32(SECOND_FACTOR)
    # The last fold of `mix` would change low bits only, which decide nothing here.
    return ops.reshape(numbers >= _uint32(round(rate * N_NUMBERS)), shape)


@keras.saving.register_keras_serializable("two_tower")
class Dropout(keras.layers.Layer):
    """Keras' dropout with cheaper random numbers.

    Compiled by XLA for few processor cores, Keras' generators take longer than the
    matrix products of a small transformer.

    Args:
        rate: share of the elements that are set to 0 in training, in [0, 1); the
            others are scaled up to keep the mean.
        seed: seed of the random numbers, which also depend on the number of calls.

    Raises:
        ValueError: if the rate is not in [0, 1).
    """

    def __init__(self, rate: float, *, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate is {rate}; choose a share in [0, 1) to drop")
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True  # there is nothing to build

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:  # noqa: FBT001, FBT002 (Keras' signature)
        """Return `[...]` float, `inputs` with elements dropped in training."""
        if not training or self.rate == 0:
            return inputs
        kept = is_kept(ops.shape(inputs), self.seed_generator.next(), rate=self.rate)
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))


def _fold(numbers: Tensor, shift: int) -> Tensor:
    """Return the numbers with their high bits XORed into the low ones."""
    return ops.bitwise_xor(numbers, ops.right_shift(numbers, _uint32(shift)))


def _uint32(number: int) -> Tensor:
    return ops.convert_to_tensor(np.uint32(number))
