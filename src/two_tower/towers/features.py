"""How an item's or user's declared features become one vector."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from two_tower.towers.hashed_embedding import HashedEmbedding, hashes_of_ids
from two_tower.towers.vectors import masked_mean, take_rows
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
    """Embed the values of one feature, and keep those of the known entities.

    A missing value, id 0 or the number 0, adds nothing and learns nothing. Id 1 is that
    of values out of the vocabulary and has a row of its own.

    Args:
        n_entities: rows of the stored values, reserved dense ids included.
        feature: what kind of feature it is; a `Feature` or its fields.
        dimension: width of the vector.
        scale: standard deviation of the initial embeddings.
        l2: times the sum of the table's squares is added to the loss; 0 for none.
        hashes: `buckets` (a prime) and `dimension` of each table that the ids are
            hashed into, in place of a row for each; None for one row each.

    Raises:
        ValueError: if the numbers of a `dense` feature are to be hashed.
    """

    def __init__(
        self,
        n_entities: int,
        feature: Feature | Mapping[str, Any],
        dimension: int,
        *,
        scale: float,
        l2: float,
        hashes: Sequence[Mapping[str, int]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_entities = n_entities
        self.feature = feature if isinstance(feature, Feature) else Feature(**feature)
        self.dimension = dimension
        self.scale = scale
        self.l2 = l2
        self.hashes = None if hashes is None else [dict(one) for one in hashes]
        if self.hashes is not None and self.feature.kind == "dense":
            raise ValueError(
                f"feature {self.name!r} is a number, which has no id to hash; leave it "
                "out of hashes"
            )
        self.hashed = (
            None
            if self.hashes is None
            else HashedEmbedding(
                hashes_of_ids(self.hashes),
                dimension,
                scale=scale,
                l2=l2,
                name="hashed",
                dtype=self.dtype_policy,
            )
        )

    def build(self, _: Any = None) -> None:
        self.values = self.add_weight(
            name="values",
            shape=(self.n_entities, self.feature.width),
            dtype="float32" if self.feature.kind == "dense" else "int32",
            initializer="zeros",
            trainable=False,
        )
        if self.hashed is not None:
            self.hashed.build()
        else:
            self.table = self.add_weight(
                name="table",
                shape=(self.feature.size, self.dimension),
                initializer=keras.initializers.RandomNormal(stddev=self.scale),
                regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
                autocast=False,
            )
        self.built = True

    def set_values(self, values: np.ndarray) -> None:
        """Store each entity's value: `[n_entities, width]`, int ids or floats."""
        self.values.assign(values)

    def values_of(self, ids: Tensor) -> Tensor:
        """Return the stored `[..., width]` values of dense `ids` `[...]`."""
        return ops.take(self.values, ids, axis=0)

    def call(self, values: Tensor) -> Tensor:
        """Return the values' vectors.

        Args:
            values: `[..., width]` int32 ids, padded with 0 (of any width, where the
                feature has several), or `[..., 1]` float32 for a `dense` one.

        Returns:
            `[..., dimension]` float.
        """
        if self.feature.kind == "dense":
            scaled = ops.cast(values, "float32") * ops.squeeze(self.table, 0)
            return ops.cast(scaled, self.compute_dtype)
        vectors = (
            take_rows(self.table, values, dtype=self.compute_dtype)
            if self.hashed is None
            else self.hashed(values)
        )
        return masked_mean(vectors, ops.not_equal(values, PADDING))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_entities": self.n_entities,
            "feature": asdict(self.feature),
            "dimension": self.dimension,
            "scale": self.scale,
            "l2": self.l2,
            "hashes": self.hashes,
        }
