"""History encoders: the protocol that `TwoTower` relies on, and two base layers."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
from keras import ops

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.vectors import take_rows
from two_tower.types import PADDING, Tensor


class HistoryEncoder(Protocol):
    """Layer that encodes the histories of a batch as query states.

    Attributes:
        dimension: H, width of a state.
        max_length: longest history of training, in items.
        query_per_position: whether each position of a history is a query; otherwise a
            history is one query.
        n_vectors: V, vectors per query.
        reads_events: whether it reads times, or also ratings, of history items.
        request_time: whether it reads the time of the request.
        reads_users: whether it reads user indices.
    """

    dimension: int
    max_length: int
    query_per_position: bool
    n_vectors: int
    reads_events: bool
    request_time: bool
    reads_users: bool

    def encode(
        self,
        batch: Mapping[str, Any],
        item_tower: EntityTower,
        *,
        catalogue: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Return the states of the batch's histories.

        Args:
            batch: `items` `[B, T]` int32 item indices, oldest first, then padding;
                with `reads_events` the fields of `event_fields`; with `reads_users`
                `users` `[B]` int32 user indices.
            item_tower: embeds the items of histories.
            catalogue: `[N, D]` float, `item_tower`'s vector of each item index; history
                items are looked up in it. None embeds the items of the batch.
            training: whether dropout applies.

        Returns:
            Float states: `[B, T, H]` with `query_per_position`, otherwise `[B, H]`, or
            `[B, V, H]` if `n_vectors` is above 1. States of padding have no meaning.
        """


def embed_history(
    items: Tensor, item_tower: EntityTower, catalogue: Tensor | None, *, training: bool
) -> Tensor:
    """Return `[B, T, D]` vectors of history items; arguments as in `encode`."""
    if catalogue is None:
        return item_tower(items, training=training)
    return take_rows(catalogue, items, dtype=catalogue.dtype)


class PositionEncoder(keras.layers.Layer):
    """Base of encoders whose every position of a history is a query.

    A subclass sets `dimension` and `max_length` and defines `call(vectors, is_real)`,
    or `call(vectors, is_real, ages)` if it sets `reads_events`.
    """

    query_per_position = True
    n_vectors = 1
    reads_events = False
    request_time = False
    reads_users = False

    def encode(
        self,
        batch: Mapping[str, Any],
        item_tower: EntityTower,
        *,
        catalogue: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        items = batch["items"]
        vectors = embed_history(items, item_tower, catalogue, training=training)
        ages = (batch["ages"],) if self.reads_events else ()
        return self(vectors, ops.not_equal(items, PADDING), *ages, training=training)


@keras.saving.register_keras_serializable("two_tower")
class StackedEncoder(PositionEncoder):
    """Keras layers, one after another, over the item vectors of a history.

    Args:
        layers: the first reads `[B, T, D]` float, the last returns `[B, T, H]`. All are
            causal: position t reads items 0 … t only, so that no padding is read.
        dimension: H.
        max_length: longest history of training, in items.
    """

    def __init__(
        self,
        layers: Sequence[keras.layers.Layer],
        *,
        dimension: int,
        max_length: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.stack = keras.Sequential(layers)
        self.dimension = dimension
        self.max_length = max_length

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.stack.build(shape)
        self.built = True

    def call(
        self, vectors: Tensor, is_real: Tensor, *, training: bool = False
    ) -> Tensor:
        """Return `[B, T, H]` states.

        Args:
            vectors: `[B, T, D]` float, item vectors, oldest first, then padding.
            is_real: `[B, T]` bool, False for padding; not read.
            training: whether dropout applies.
        """
        return self.stack(vectors, training=training)

    def get_config(self) -> dict[str, Any]:
        layers = map(keras.saving.serialize_keras_object, self.stack.layers)
        return {
            **super().get_config(),
            "layers": list(layers),
            "dimension": self.dimension,
            "max_length": self.max_length,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "StackedEncoder":
        """Rebuild the layers, then the encoder, from the result of `get_config`."""
        layers = map(keras.saving.deserialize_keras_object, config["layers"])
        return cls(**{**config, "layers": list(layers)})
