"""Tower of entities (items or users): a vector from id and features."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from two_tower.towers.dropout import is_kept
from two_tower.towers.features import Feature, FeatureEmbedding, layer_name
from two_tower.towers.hashed_embedding import HashedEmbedding, hashes_of_ids
from two_tower.towers.mlp import Mlp
from two_tower.towers.vectors import take_rows
from two_tower.types import (
    FIRST_ID,
    ID,
    OUT_OF_VOCABULARY,
    PADDING,
    Combination,
    Tensor,
)

# Seeds of the mlp start far above those of neighbouring parts of the model.
MLP_SEED = 500


def combine_parts(parts: Sequence[Tensor], how: Combination) -> Tensor:
    """Return k parts `[..., E]` as one vector.

    Args:
        parts: `[..., E]` float each.
        how: `sum` or `mean` of the parts, or `concat`.

    Returns:
        `[..., E]` float, or `[..., k·E]` of `concat`.
    """
    if how == "concat":
        return ops.concatenate(parts, axis=-1)
    total = sum(parts[1:], start=parts[0])
    return total / len(parts) if how == "mean" else total


@keras.saving.register_keras_serializable("two_tower")
class EntityTower(keras.layers.Layer):
    """Combine the embeddings of an entity's id and features into a vector.

    `id_dropout` replaces ids by the out-of-vocabulary id at random in training, so that
    content learns to represent entities without a trained id (`set_trained`).

    Args:
        n_entities: number of item or user indices, reserved ones included.
        dimension: D.
        features: name → `Feature` or its fields; empty for ids alone.
        use_id: whether each entity has an id embedding.
        id_dropout: share of entities without their id in a training step, in [0, 1).
        embedding: E, width of each part.
        combine: how parts become one vector: `sum`, `mean`, or `concat`, which orders
            them as `parts`.
        mlp: `hidden_units`, `batch_norm` and `dropout` of the `Mlp` from the combined
            parts to D; None for no layers.
        l2: weight of the tables' L2 penalty, a sum of squares; 0: none.
        n_rows: rows of the id table, reserved indices included. An entity's row is its
            index; indices from `n_rows` on share the out-of-vocabulary row.
        scale: standard deviation of the initial embeddings; None for E^-½, which makes
            parts of about length 1.
        seed: seed of the id dropout; seeds of the mlp start at `seed + 500`.
        hashes: part → `buckets` (a prime) and `dimension` of each table that its ids
            are hashed into (see `HashedEmbedding`); other parts have a row per id. An
            entity without a row hashes the out-of-vocabulary id; padding has a zero
            vector.

    Raises:
        ValueError: if there are neither ids nor features, if the parts have another
            width than D and no mlp, or if `hashes` names an absent or a dense part.
    """

    def __init__(  # noqa: PLR0913
        self,
        n_entities: int,
        dimension: int,
        *,
        features: Mapping[str, Feature | Mapping[str, Any]],
        use_id: bool,
        id_dropout: float,
        embedding: int,
        combine: Combination,
        mlp: Mapping[str, Any] | None,
        l2: float,
        n_rows: int,
        scale: float | None,
        seed: int,
        hashes: Mapping[str, Sequence[Mapping[str, int]]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        hashes = {name: [dict(o) for o in one] for name, one in (hashes or {}).items()}
        _check_parts([*features, *([ID] if use_id else [])], hashes)
        if mlp is None:
            _check_width(embedding, dimension, combine)
        self.n_entities = n_entities
        self.dimension = dimension
        self.use_id = use_id
        self.id_dropout = id_dropout
        self.embedding = embedding
        self.combine = combine
        self.mlp_options = None if mlp is None else dict(mlp)
        self.l2 = l2
        self.n_rows = n_rows
        self.scale = scale
        self.seed = seed
        self.hashes = hashes
        self.start_scale = embedding**-0.5 if scale is None else scale
        self.seeds = keras.random.SeedGenerator(seed)
        dtype = self.dtype_policy.name
        tables: dict[str, Any] = {"scale": self.start_scale, "l2": l2, "dtype": dtype}
        self.features = {
            name: FeatureEmbedding(
                n_entities,
                feature,
                embedding,
                hashes=hashes.get(name),
                name=layer_name(name),
                **tables,
            )
            for name, feature in features.items()
        }
        self.hashed_id = None
        if ID in hashes:
            self.hashed_id = HashedEmbedding(
                hashes_of_ids(hashes[ID]), embedding, name="hashed_id", **tables
            )
        self.mlp = None
        if mlp is not None:
            own_seed = seed + MLP_SEED
            self.mlp = Mlp(
                output=dimension, seed=own_seed, name="mlp", dtype=dtype, **mlp
            )

    @property
    def parts(self) -> list[str]:
        """Names of the parts of a vector: the features in their order, then the id."""
        return [*self.features, *([ID] if self.use_id else [])]

    def build(self, _: Any = None) -> None:
        if self.hashed_id is not None:
            self.hashed_id.build()
        elif self.use_id:
            self.table = self.add_weight(
                name="table",
                shape=(self.n_rows, self.embedding),
                initializer=keras.initializers.RandomNormal(stddev=self.start_scale),
                regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
                autocast=False,
            )
        if self.use_id:
            self.id_rows = self.add_weight(
                name="id_rows",
                shape=(self.n_entities,),
                dtype="int32",
                initializer="zeros",
                trainable=False,
            )
            self.set_trained(np.arange(self.n_entities) < self.n_rows)
        for feature in self.features.values():
            feature.build()
        if self.mlp is not None:
            widths = len(self.parts) if self.combine == "concat" else 1
            self.mlp.build((None, widths * self.embedding))
        self.built = True

    def set_trained(self, is_trained: np.ndarray) -> None:
        """Assign trained entities to their own rows of the id table.

        Others share the out-of-vocabulary row. So does padding, unless ids are hashed:
        then its vector is zero. Without id embeddings nothing changes.

        Args:
            is_trained: `[n_entities]` bool by index; reserved indices are ignored.

        Raises:
            ValueError: if the id table has no row for a trained entity.
        """
        if not self.use_id:
            return
        ids = np.arange(self.n_entities, dtype=np.int32)
        has_row = is_trained & (ids >= FIRST_ID)
        beyond = ids[has_row & (ids >= self.n_rows)]
        if len(beyond):
            raise ValueError(
                f"{len(beyond)} trained entities have no row in a table of "
                f"{self.n_rows} (first: {beyond[:5].tolist()}); grow the towers first"
            )
        rows = np.where(has_row, ids, OUT_OF_VOCABULARY)
        if self.hashed_id is not None:
            rows[PADDING] = PADDING
        self.id_rows.assign(rows)

    def set_features(self, values: Mapping[str, np.ndarray]) -> None:
        """Store the features of all entities.

        Args:
            values: name → `[n_entities, width]` by index, ids (int32) or numbers
                (float32).
        """
        for name, feature in self.features.items():
            feature.set_values(values[name])

    def call(
        self,
        ids: Tensor,
        *,
        training: bool = False,
        kept: Tensor | None = None,
        values: Mapping[str, Tensor] | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the vectors of entities.

        Args:
            ids: `[...]` int32 item or user indices.
            training: whether dropout applies, to ids and units.
            kept: `[..., len(parts)]` bool mask of parts: a masked part is exactly zero
                and has no gradient. None keeps all.
            values: name → `[..., width]`, in place of stored values; other features
                keep theirs.
            weights: `[...]` float, weights in batch norm's statistics; None for 1, and
                0 for padding.

        Returns:
            `[..., D]` float, not normalised.
        """
        stored = {n: feature.values_of(ids) for n, feature in self.features.items()}
        rows = ops.take(self.id_rows, ids, axis=0) if self.use_id else ids
        if weights is None:
            weights = ops.cast(ops.not_equal(ids, PADDING), "float32")
        return self.embed(
            rows,
            stored | dict(values or {}),
            training=training,
            kept=kept,
            weights=weights,
        )

    def mean_of(self, ids: Tensor, names: Sequence[str]) -> Tensor:
        """Return the mean vector of some parts, such as an item's category.

        A missing value counts as a zero vector, as with `combine: mean`.

        Args:
            ids: `[...]` int32 item or user indices.
            names: the parts, features or `id`, at least one.

        Returns:
            `[..., D]` float, not normalised.

        Raises:
            ValueError: if there are no names, if the tower lacks a part, or if its
                parts have another width than D.
        """
        if unknown := [name for name in names if name not in self.parts]:
            raise ValueError(
                f"the tower has no parts {unknown}, only {self.parts}; name some of "
                "these"
            )
        if not names:
            raise ValueError(f"no part is named; name some of {self.parts}")
        if self.embedding != self.dimension:
            raise ValueError(
                f"features have width {self.embedding} but entities {self.dimension}; "
                "set embedding to the dimension"
            )
        return combine_parts([self._part_of(ids, name) for name in names], "mean")

    def _part_of(self, ids: Tensor, name: str) -> Tensor:
        """Return the vectors `[..., E]` of one part of entities, without dropout."""
        if name == ID:
            return self._embed_ids(ops.take(self.id_rows, ids, axis=0))
        feature = self.features[name]
        return feature(feature.values_of(ids))

    def _embed_ids(self, rows: Tensor) -> Tensor:
        if self.hashed_id is not None:
            return self.hashed_id(rows)
        return take_rows(self.table, rows, dtype=self.compute_dtype)

    def embed(
        self,
        rows: Tensor,
        values: Mapping[str, Tensor],
        *,
        training: bool = False,
        kept: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the vectors of entities given by rows and values.

        Args:
            rows: `[...]` int32, rows of the id table; OUT_OF_VOCABULARY for entities
                without one. With hashed ids, PADDING for padding.
            values: name → `[..., width]` of every feature; 0 is a missing value.
            training: whether dropout applies, to ids and units.
            kept: `[..., len(parts)]` bool mask of parts, as in `call`.
            weights: `[...]` float, weights in batch norm's statistics, 0 for padding;
                None for 1 each.

        Returns:
            `[..., D]` float, not normalised.
        """
        parts = [embed(values[name]) for name, embed in self.features.items()]
        if self.use_id:
            drops = training and self.id_dropout > 0
            rows = self._drop_ids(rows) if drops else rows
            parts.append(self._embed_ids(rows))
        if kept is not None:
            parts = [
                ops.where(kept[..., p : p + 1], part, ops.zeros_like(part))
                for p, part in enumerate(parts)
            ]
        vectors = combine_parts(parts, self.combine)
        if self.mlp is None:
            return vectors
        flat = ops.reshape(vectors, (-1, vectors.shape[-1]))
        if weights is not None:
            weights = ops.reshape(weights, (-1,))
        states = self.mlp(flat, training=training, weights=weights)
        return ops.reshape(states, (*ops.shape(vectors)[:-1], self.dimension))

    def _drop_ids(self, rows: Tensor) -> Tensor:
        kept = is_kept(ops.shape(rows), self.seeds.next(), rate=self.id_dropout)
        stays = ops.logical_or(kept, rows == PADDING)
        return ops.where(stays, rows, ops.full_like(rows, OUT_OF_VOCABULARY))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_entities": self.n_entities,
            "dimension": self.dimension,
            "features": {n: asdict(f.feature) for n, f in self.features.items()},
            "use_id": self.use_id,
            "id_dropout": self.id_dropout,
            "embedding": self.embedding,
            "combine": self.combine,
            "mlp": self.mlp_options,
            "l2": self.l2,
            "n_rows": self.n_rows,
            "scale": self.scale,
            "seed": self.seed,
            "hashes": self.hashes,
        }


def _check_parts(
    parts: Sequence[str], hashes: Mapping[str, Sequence[Mapping[str, int]]]
) -> None:
    if not parts:
        raise ValueError(
            "use_id is false and there are no features, so all entities would be "
            "alike; give them ids of their own or at least one feature"
        )
    if unknown := sorted(set(hashes) - set(parts)):
        raise ValueError(
            f"hashes names the parts {unknown}, but the tower has only {parts}; name "
            "some of these"
        )


def _check_width(embedding: int, dimension: int, combine: Combination) -> None:
    if combine == "concat" or embedding != dimension:
        raise ValueError(
            f"parts of width {embedding} are combined by {combine!r} into vectors of "
            f"width {dimension} without an mlp; give an mlp, or use sum or mean with "
            "an embedding as wide as the dimension"
        )
