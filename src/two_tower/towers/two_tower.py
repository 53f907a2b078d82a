"""The two-tower model: histories and items in, unit vectors out."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.item_tower import ItemTower
from two_tower.towers.vectors import to_unit_length
from two_tower.types import PADDING, Tensor

NO_HISTORY_SCALE = 0.02


@keras.saving.register_keras_serializable("two_tower")
class TwoTower(keras.Model):
    """A user tower on top of the item tower that the candidates use too.

    Both ends are unit vectors, so the score of a user and an item is their cosine and
    an angular index keeps the model's order. A user without a history gets a learned
    vector.

    Args:
        item_tower: embeds candidates and the items of histories.
        user_tower: a layer from `[B, T, D]` item vectors and their `[B, T]` mask to
            `[B, T, D]`, the user as of each position; its `max_length` is the longest
            T that it was trained on.
    """

    def __init__(
        self, item_tower: ItemTower, user_tower: keras.layers.Layer, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.item_tower = item_tower
        self.user_tower = user_tower

    def build(self, _: Any = None) -> None:
        dimension = self.item_tower.dimension
        # Towers that come out of a file are built already.
        if not self.item_tower.built:
            self.item_tower.build()
        if not self.user_tower.built:
            self.user_tower.build((None, None, dimension))
        self.no_history = self.add_weight(
            name="no_history",
            shape=(dimension,),
            initializer=keras.initializers.RandomNormal(stddev=NO_HISTORY_SCALE),
        )
        self.built = True

    def call(self, inputs: dict[str, Tensor], *, training: bool = False) -> Tensor:
        """Return each history's query vector.

        Args:
            inputs: `items` `[B, T]` int32 dense ids, oldest first, padded behind;
                `lengths` `[B]` int32, 0 for a user without a history.
            training: whether to drop.

        Returns:
            `[B, D]` float32 of length 1.
        """
        items, lengths = inputs["items"], inputs["lengths"]
        batch, width = ops.shape(items)[0], ops.shape(items)[1]
        newest = ops.arange(batch, dtype="int32") * width + lengths - 1
        places = ops.where(lengths > 0, newest, batch * width)
        vectors = self.item_tower(items, training=training)
        return self.queries(vectors, items, places, training=training)

    def queries(
        self, vectors: Tensor, items: Tensor, places: Tensor, *, training: bool = False
    ) -> Tensor:
        """Return the query vectors of some places of a batch of histories.

        Args:
            vectors: `[B, T, D]` float, the item tower's vectors of `items`.
            items: `[B, T]` int32 dense ids, padded behind.
            places: `[P]` int32, row · T + position, or B · T for no history at all.
            training: whether to drop.

        Returns:
            `[P, D]` float32 of length 1.
        """
        is_real = ops.not_equal(items, PADDING)
        states = self.user_tower(vectors, is_real, training=training)
        states = ops.reshape(states, (-1, states.shape[-1]))
        no_history = ops.cast(ops.expand_dims(self.no_history, 0), states.dtype)
        states = ops.concatenate([states, no_history])
        return to_unit_length(ops.cast(ops.take(states, places, axis=0), "float32"))

    def item_vectors(self, ids: Tensor) -> Tensor:
        """Return the candidates' `[N, D]` float32 unit vectors of `[N]` dense ids."""
        return to_unit_length(ops.cast(self.item_tower(ids), "float32"))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "item_tower": keras.saving.serialize_keras_object(self.item_tower),
            "user_tower": keras.saving.serialize_keras_object(self.user_tower),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TwoTower":
        """Rebuild the towers, then the model, from `get_config`'s answer."""
        towers = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("item_tower", "user_tower")
        }
        model = cls(**{**config, **towers})
        model.build()  # so that saved weights find their variables
        return model
