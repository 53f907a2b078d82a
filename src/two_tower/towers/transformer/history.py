"""The transformer among the history encoders: its options build it."""

from typing import Any, ClassVar, Self

from two_tower.towers.params import HistoryParams, HistoryShape
from two_tower.towers.transformer.params import TransformerParams


class TransformerHistory(TransformerParams, HistoryParams):
    """Blocks of causal attention over the history."""

    separate_items: ClassVar[bool] = True

    @staticmethod
    def encoder_class() -> Any:
        from two_tower.towers.transformer.tower import TransformerUserTower

        return TransformerUserTower

    def without_times(self) -> Self:
        off = dict.fromkeys(("relative_time", "time_gap", "request_time"), False)
        dropout = self.dropout.model_copy(update={"times": 0.0})
        return self.model_copy(update={**off, "dropout": dropout})

    def build(self, shape: HistoryShape) -> Any:
        return self.encoder_class()(
            shape.dimension,
            options=self,
            max_length=shape.max_length,
            seed=shape.seed,
            dtype=shape.dtype,
        )
