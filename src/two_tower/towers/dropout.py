"""Dropout whose random numbers are a few integer operations each."""

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

# 2³² over the golden ratio: its multiples are far from each other, as those of Weyl.
GOLDEN = 0x9E3779B9

N_NUMBERS = 2**32


def mix(numbers: Tensor) -> Tensor:
    """Return `[...]` uint32, a bijection of `[...]` uint32 that looks random."""
    numbers = _fold(numbers, FIRST_SHIFT) * _uint32(FIRST_FACTOR)
    numbers = _fold(numbers, SECOND_SHIFT) * _uint32(SECOND_FACTOR)
    return _fold(numbers, LAST_SHIFT)


def is_kept(shape: Sequence[Any], state: Tensor, *, rate: float) -> Tensor:
    """Return which of the elements stay, each by a draw of its own.

    An element's draw is a function of its place and of the state alone, so it can be
    made anew, in any order, wherever it is needed: a compiler merges it with what uses
    it, and neither numbers nor their generator's state are ever written to memory.

    Args:
        shape: of the result; may hold numbers known at run time alone.
        state: `[2]` integers, the seed and how many draws it has served.
        rate: share of elements that go, in [0, 1).

    Returns:
        `shape` bool.

    References:
        Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011, for
        counters in place of a state; the cipher is weaker here, and cheaper.
    """
    seed, count = ops.cast(state[0], "uint32"), ops.cast(state[1], "uint32")
    first = mix(mix(seed) + count * _uint32(GOLDEN))
    second = mix(first + _uint32(GOLDEN))
    place = ops.cast(ops.arange(math.prod(shape), dtype="int32"), "uint32")
    # The second key stands inside: two states' draws are no parts of one long row.
    draws = _fold(place + first, FIRST_SHIFT) * _uint32(FIRST_FACTOR) + second
    draws = _fold(draws, SECOND_SHIFT) * _uint32(SECOND_FACTOR)
    # The last fold of `mix` changes low bits alone, which decide nothing here.
    return ops.reshape(draws >= _uint32(round(rate * N_NUMBERS)), shape)


@keras.saving.register_keras_serializable("two_tower")
class Dropout(keras.layers.Layer):
    """Dropout as Keras', with cheaper draws.

    On processors without many cores, Keras' generators take longer than the products
    of a small transformer once XLA compiles them.

    Args:
        rate: share of the elements that are set to 0 while training, in [0, 1); the
            others grow so that the mean stays.
        seed: of the draws, which also count how often the layer was called.

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
        """Return `[...]` float of `[...]` float."""
        if not training or self.rate == 0:
            return inputs
        kept = is_kept(ops.shape(inputs), self.seed_generator.next(), rate=self.rate)
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def _fold(numbers: Tensor, shift: int) -> Tensor:
    """Return the numbers with their high bits also in their low ones."""
    return ops.bitwise_xor(numbers, ops.right_shift(numbers, _uint32(shift)))


def _uint32(number: int) -> Tensor:
    return ops.convert_to_tensor(np.uint32(number))
