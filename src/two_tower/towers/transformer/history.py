"""The transformer among the history encoders: its options build it."""

from typing import Any

from two_tower.towers.params import HistoryShape
from two_tower.towers.transformer.params import TransformerParams


class TransformerHistory(TransformerParams):
    """Blocks of causal attention over the history."""

    @staticmethod
    def encoder_class() -> Any:
        from two_tower.towers.transformer.tower import TransformerUserTower

        return TransformerUserTower

    def build(self, shape: HistoryShape) -> Any:
        return self.encoder_class()(
            shape.dimension,
            options=self,
            max_length=shape.max_length,
            seed=shape.seed,
            dtype=shape.dtype,
        )
