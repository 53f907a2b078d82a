"""The item tower: one vector per item, of its id and of its content."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from two_tower.towers.features import Feature, FeatureEmbedding
from two_tower.types import OUT_OF_VOCABULARY, Tensor


@keras.saving.register_keras_serializable("two_tower")
class ItemTower(keras.layers.Layer):
    """Add up an item's id embedding and the embeddings of its features.

    History items and candidates pass through the same tower, with the same weights.
    `id_dropout` gives an item the out-of-vocabulary id at random while training, so
    that the content learns to speak for items that have no id of their own.

    Args:
        n_items: rows of the item table, reserved ids included.
        dimension: D.
        features: name → `Feature` (or its fields); empty for ids alone.
        use_id: whether items have embeddings of their own.
        id_dropout: share of items that lose their id in a training step, in [0, 1).
        scale: standard deviation of the initial embeddings.
        seed: of the id dropout.

    Raises:
        ValueError: if there are neither ids nor features.
    """

    def __init__(  # noqa: PLR0913
        self,
        n_items: int,
        dimension: int,
        *,
        features: Mapping[str, Feature | Mapping[str, Any]],
        use_id: bool,
        id_dropout: float,
        scale: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not (use_id or features):
            raise ValueError(
                "use_id is false and there are no features, so all items would be "
                "alike; give items ids of their own or at least one feature"
            )
        self.n_items = n_items
        self.dimension = dimension
        self.use_id = use_id
        self.id_dropout = id_dropout
        self.scale = scale
        self.seed = seed
        self.seeds = keras.random.SeedGenerator(seed)
        self.features = {
            name: FeatureEmbedding(
                n_items,
                feature,
                dimension,
                scale,
                name=name,
                dtype=self.dtype_policy,
            )
            for name, feature in features.items()
        }

    def build(self, _: Any = None) -> None:
        if self.use_id:
            self.table = self.add_weight(
                name="table",
                shape=(self.n_items, self.dimension),
                initializer=keras.initializers.RandomNormal(stddev=self.scale),
            )
        for feature in self.features.values():
            feature.build()
        self.built = True

    def set_features(self, values: Mapping[str, np.ndarray]) -> None:
        """Store what each item's features are.

        Args:
            values: name → `[n_items, width]`, the feature's ids (int32) or numbers
                (float32) in rows of dense item ids.
        """
        for name, feature in self.features.items():
            feature.set_values(values[name])

    def call(self, ids: Tensor, *, training: bool = False) -> Tensor:
        """Return the items' vectors, not normalised.

        Args:
            ids: `[...]` int32 dense item ids.
            training: whether ids may be dropped.

        Returns:
            `[..., D]` float.
        """
        parts = [feature(ids) for feature in self.features.values()]
        if self.use_id:
            kept = self._drop_ids(ids) if training and self.id_dropout > 0 else ids
            parts.append(ops.take(self.table, kept, axis=0))
        return sum(parts[1:], start=parts[0])

    def _drop_ids(self, ids: Tensor) -> Tensor:
        draws = keras.random.uniform(ops.shape(ids), seed=self.seeds)
        unknown = ops.full_like(ids, OUT_OF_VOCABULARY)
        return ops.where(draws < self.id_dropout, unknown, ids)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_items": self.n_items,
            "dimension": self.dimension,
            "features": {n: asdict(f.feature) for n, f in self.features.items()},
            "use_id": self.use_id,
            "id_dropout": self.id_dropout,
            "scale": self.scale,
            "seed": self.seed,
        }
