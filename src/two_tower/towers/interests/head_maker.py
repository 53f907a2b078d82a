"""Heads of what each of them has of a history."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.interests.initializers import dense, unit_vectors
from two_tower.types import Tensor


@keras.saving.register_keras_serializable("two_tower")
class HeadMaker(keras.layers.Layer):
    """Make H heads of what each has of a history: FC(tanh(FC([init; prior]))) + init.

    Args:
        n_heads: H.
        dimension: D.
        prior: whether a learned vector of each head stands beside its init. It
            keeps a head that a history has next to nothing of from being made of the
            other heads' items ("spill-over").

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, and its public code (MultiCLRec).
    """

    def __init__(
        self, n_heads: int, dimension: int, *, prior: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_heads = n_heads
        self.dimension = dimension
        self.prior = prior
        self.inner = dense(dimension, "inner", self.dtype_policy)
        self.outer = dense(dimension, "outer", self.dtype_policy)

    def build(self, _: Any = None) -> None:
        self.inner.build((None, self.dimension * (2 if self.prior else 1)))
        self.outer.build((None, self.dimension))
        if self.prior:
            self.priors = self.add_weight(
                name="priors",
                shape=(self.n_heads, self.dimension),
                initializer=unit_vectors(self.dimension),
            )
        self.built = True

    def call(self, pools: Tensor) -> Tensor:
        """Return `[B, H, D]` float heads of `[B, H, D]` float inits."""
        states = pools
        if self.prior:
            priors = ops.broadcast_to(
                ops.cast(self.priors, pools.dtype), ops.shape(pools)
            )
            states = ops.concatenate([pools, priors], axis=-1)
        flat = ops.reshape(states, (-1, states.shape[-1]))
        made = self.outer(ops.tanh(self.inner(flat)))
        return ops.reshape(made, ops.shape(pools)) + pools

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_heads": self.n_heads,
            "dimension": self.dimension,
            "prior": self.prior,
        }
