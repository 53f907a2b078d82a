"""Embeddings of the features of items and users."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from two_tower.towers.hashed_embedding import HashedEmbedding, hashes_of_ids
from two_tower.towers.vectors import masked_mean, take_rows
from two_tower.types import PADDING, Tensor

InputKind = Literal["categorical", "multi_valued", "dense"]

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True)
class Feature:
    """One encoded feature of items or users.

    Attributes:
        kind: `categorical` (one id), `multi_valued` (several ids, averaged) or `dense`
            (one number).
        size: rows of its embedding table, reserved ids included; 1 for `dense`.
        width: most ids of one entity; 1 for `categorical` and `dense`.
    """

    kind: InputKind
    size: int
    width: int

    @property
    def is_dense(self) -> bool:
        """Whether it is a number, which has no ids."""
        return self.kind == "dense"


def layer_name(feature: str) -> str:
    """Return a name that every back end takes, another for each feature.

    TensorFlow's names of scopes have ASCII letters, digits and few other signs.
    """
    if _PLAIN.fullmatch(feature):
        return feature
    coded = _UNSAFE.sub(
        lambda sign: "".join(f"_{byte:02x}" for byte in sign[0].encode()), feature
    )
    return f"feature-{coded}"


@keras.saving.register_keras_serializable("two_tower")
class FeatureEmbedding(keras.layers.Layer):
    """Embedding of one feature, with the stored values of all items or users.

    A missing value (id 0, number 0) has a zero vector and no gradient. Values out of
    vocabulary (id 1) share a row of the table.

    Args:
        n_entities: rows of the stored values, reserved indices included.
        feature: a `Feature` or its fields.
        dimension: width of the vector.
        scale: standard deviation of the initial embeddings.
        l2: weight of the L2 penalty on the table, a sum of squares; 0: none.
        hashes: `buckets` (a prime) and `dimension` of each table that the ids are
            hashed into; None: one row per id.

    Raises:
        ValueError: `hashes` for a `dense` feature.
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
        if self.hashes is not None and self.feature.is_dense:
            raise ValueError(
                "hashes names a feature that is a number, which has no ids; remove it "
                "from hashes"
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
            dtype="float32" if self.feature.is_dense else "int32",
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
        """Store the values of all entities.

        Args:
            values: `[n_entities, width]` int ids padded with 0, or float numbers.
        """
        self.values.assign(values)

    def values_of(self, ids: Tensor) -> Tensor:
        """Return the stored values.

        Args:
            ids: `[...]` int, item or user indices.

        Returns:
            `[..., width]` int32 ids or float32 numbers.
        """
        return ops.take(self.values, ids, axis=0)

    def call(self, values: Tensor) -> Tensor:
        """Return the vectors of values: the mean of ids' rows, or a scaled vector.

        Args:
            values: `[..., width]` int32 ids padded with 0 (any width for a
                `multi_valued` feature), or `[..., 1]` float32 for a `dense` one.

        Returns:
            `[..., dimension]` float.
        """
        if self.feature.is_dense:
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
