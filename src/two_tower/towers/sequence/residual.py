"""How what a branch has made goes into the states."""

from typing import Any

import keras

from two_tower.towers.dropout import Dropout
from two_tower.types import ResidualKind, Tensor


@keras.saving.register_keras_serializable("two_tower")
class Residual(keras.layers.Layer):
    """Add a branch to the states, or what a gate lets through of it.

    The gate of a state x is sigmoid(W x + b), a share for each of its D numbers.

    Args:
        dimension: D.
        kind: `sum` or `gated`.
        dropout: share of the branch's numbers dropped.
        seed: of the dropout.

    References:
        Borisyuk et al., From Features to Transformers: Redefining Ranking for Scalable
        Impact, 2025 (LiGR, gated).
    """

    def __init__(
        self,
        dimension: int,
        *,
        kind: ResidualKind,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.kind = kind
        self.dropout = dropout
        self.seed = seed
        self.drop = Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        self.gate = (
            keras.layers.Dense(dimension, activation="sigmoid", dtype=self.dtype_policy)
            if kind == "gated"
            else None
        )

    def build(self, _: Any = None) -> None:
        if self.gate is not None:
            self.gate.build((None, self.dimension))
        self.built = True

    def call(self, states: Tensor, branch: Tensor, *, training: bool = False) -> Tensor:
        """Return `[N, D]` float of `[N, D]` states and what is added to them."""
        branch = self.drop(branch, training=training)
        return states + (branch if self.gate is None else self.gate(states) * branch)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "kind": self.kind,
            "dropout": self.dropout,
            "seed": self.seed,
        }
