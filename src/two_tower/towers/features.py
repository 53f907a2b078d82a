"""How an item's or user's declared features become one vector."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from two_tower.towers.vectors import masked_mean
from two_tower.types import PADDING, Tensor

FeatureKind = Literal["categorical", "multi_valued", "words", "dense"]


@dataclass(frozen=True)
class Feature:
    """One declared feature of an entity.

    Attributes:
        kind: `categorical` (one id), `multi_valued` or `words` (ids, averaged) or
            `dense` (one number).
        size: rows of its embedding table, reserved ids included; 1 for `dense`.
        width: the most ids that one entity has; 1 for `categorical` and `dense`.
    """

    kind: FeatureKind
    size: int
    width: int


@keras.saving.register_keras_serializable("two_tower")
class FeatureEmbedding(keras.layers.Layer):
    """Embed one feature of given entities, from a stored table of its values.

    Args:
        n_entities: rows of the stored table, reserved dense ids included.
        feature: what kind of feature it is; a `Feature` or its fields.
        dimension: D.
        scale: standard deviation of the initial embeddings.
    """

    def __init__(
        self,
        n_entities: int,
        feature: Feature | Mapping[str, Any],
        dimension: int,
        scale: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_entities = n_entities
        self.feature = feature if isinstance(feature, Feature) else Feature(**feature)
        self.dimension = dimension
        self.scale = scale

    def build(self, _: Any = None) -> None:
        is_dense = self.feature.kind == "dense"
        self.values = self.add_weight(
            name="values",
            shape=(self.n_entities, self.feature.width),
            dtype="float32" if is_dense else "int32",
            initializer="zeros",
            trainable=False,
        )
        self.table = self.add_weight(
            name="table",
            shape=(self.feature.size, self.dimension),
            initializer=keras.initializers.RandomNormal(stddev=self.scale),
        )
        self.built = True

    def set_values(self, values: np.ndarray) -> None:
        """Store each entity's value: `[n_entities, width]`, int ids or floats."""
        self.values.assign(values)

    def call(self, ids: Tensor) -> Tensor:
        """Return `[..., D]` float for the entities of dense `ids` `[...]`."""
        values = ops.take(self.values, ids, axis=0)
        if self.feature.kind == "dense":
            return ops.cast(values, self.compute_dtype) * ops.squeeze(self.table, 0)
        vectors = ops.take(self.table, values, axis=0)
        return masked_mean(vectors, ops.not_equal(values, PADDING))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_entities": self.n_entities,
            "feature": asdict(self.feature),
            "dimension": self.dimension,
            "scale": self.scale,
        }
