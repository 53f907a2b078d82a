"""History encoder: a recurrent network over the item vectors."""

from typing import Any

from pydantic import Field, PositiveInt

from two_tower.towers.params import HistoryParams, HistoryShape


class GruParams(HistoryParams):
    """GRU over the history, then a linear layer.

    References:
        Hidasi et al., Session-based Recommendations with Recurrent Neural Networks,
        ICLR 2016.
    """

    units: PositiveInt = Field(description="width of the GRU's state")
    dropout: float = Field(ge=0, lt=1, description="share of the state dropped")

    def build(self, shape: HistoryShape) -> Any:
        import keras

        from two_tower.towers.base import StackedEncoder
        from two_tower.towers.dropout import Dropout

        return StackedEncoder(
            [
                keras.layers.GRU(self.units, return_sequences=True, dtype=shape.dtype),
                Dropout(self.dropout, seed=shape.seed, dtype=shape.dtype),
                keras.layers.Dense(shape.dimension, dtype=shape.dtype),
            ],
            dimension=shape.dimension,
            max_length=shape.max_length,
            dtype=shape.dtype,
        )
