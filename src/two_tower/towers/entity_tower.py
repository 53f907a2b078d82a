"""An entity tower: one vector per item or user, of its id and of what it is like."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from two_tower.towers.dropout import is_kept
from two_tower.towers.features import Feature, FeatureEmbedding
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

# Far from the seeds that a neighbouring part of the model counts up from its own.
MLP_SEED = 500


def combine_parts(parts: Sequence[Tensor], how: Combination) -> Tensor:
    """Return `[..., E]` vectors summed or averaged, or side by side `[..., k·E]`."""
    if how == "concat":
        return ops.concatenate(parts, axis=-1)
    total = sum(parts[1:], start=parts[0])
    return total / len(parts) if how == "mean" else total


@keras.saving.register_keras_serializable("two_tower")
class EntityTower(keras.layers.Layer):
    """Combine an entity's id embedding and the embeddings of its features.

    Entities are items or users. History items and candidates pass through the same
    tower, with the same weights. `id_dropout` gives an entity the out-of-vocabulary id
    at random while training, so that content learns to speak for entities that have no
    id of their own: those that training does not know (`set_known`).

    Args:
        n_entities: how many dense ids there are, the reserved ones included.
        dimension: D.
        features: name → `Feature` (or its fields); empty for ids alone.
        use_id: whether entities have embeddings of their own.
        id_dropout: share of entities that lose their id in a training step, in [0, 1).
        embedding: E, the width of each part.
        combine: `sum` or `mean` of the parts, or `concat` side by side: the features as
            they come, the id behind them.
        mlp: `hidden_units`, `batch_norm` and `dropout` of the `Mlp` from the combined
            parts to D; None for no layers at all.
        l2: times the sum of the tables' squares is added to the loss; 0 for none.
        n_rows: rows of the id table, reserved ids included. An entity's row is its
            dense id; from `n_rows` on they share the out-of-vocabulary row.
        scale: standard deviation of the initial embeddings; None for E^-½, which makes
            parts of about length 1.
        seed: of the id dropout; the mlp has those from 500 further on.
        hashes: part → `buckets` (a prime) and `dimension` of each table that its ids
            are hashed into (see `HashedEmbedding`), in place of a row for each. An
            entity without a row hashes the out-of-vocabulary id, and the empty slot's
            vector is zero. Parts that are not named have a row for each id.

    Raises:
        ValueError: if there are neither ids nor features, the parts have another width
            than D and no mlp, or a part is to be hashed that the tower hasn't, or that
            has no ids.
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
        if not (use_id or features):
            raise ValueError(
                "use_id is false and there are no features, so all entities would be "
                "alike; give them ids of their own or at least one feature"
            )
        if mlp is None and (combine == "concat" or embedding != dimension):
            raise ValueError(
                f"parts of width {embedding} are combined by {combine!r} into vectors "
                f"of width {dimension} without an mlp; give an mlp, or use sum or mean "
                "with an embedding as wide as the dimension"
            )
        hashes = {name: [dict(o) for o in one] for name, one in (hashes or {}).items()}
        parts = [*features, *([ID] if use_id else [])]
        if unknown := sorted(set(hashes) - set(parts)):
            raise ValueError(
                f"hashes names the parts {unknown}, but the tower has only {parts}; "
                "name some of these"
            )
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
        self.features = {
            name: FeatureEmbedding(
                n_entities,
                feature,
                embedding,
                scale=self.start_scale,
                l2=l2,
                hashes=hashes.get(name),
                name=name,
                dtype=self.dtype_policy,
            )
            for name, feature in features.items()
        }
        self.hashed_id = (
            HashedEmbedding(
                hashes_of_ids(hashes[ID]),
                embedding,
                scale=self.start_scale,
                l2=l2,
                name="hashed_id",
                dtype=self.dtype_policy,
            )
            if ID in hashes
            else None
        )
        self.mlp = (
            None
            if mlp is None
            else Mlp(
                output=dimension,
                seed=seed + MLP_SEED,
                name="mlp",
                dtype=self.dtype_policy,
                **mlp,
            )
        )

    @property
    def parts(self) -> list[str]:
        """What a vector is made of: the features in their order, then the id."""
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
            self.set_known(np.arange(self.n_entities) < self.n_rows)
        for feature in self.features.values():
            feature.build()
        if self.mlp is not None:
            widths = len(self.parts) if self.combine == "concat" else 1
            self.mlp.build((None, widths * self.embedding))
        self.built = True

    def set_known(self, known: np.ndarray) -> None:
        """Give the entities that training knows their own rows of the id table.

        All others share the out-of-vocabulary row, and so does the empty slot, unless
        ids are hashed: its vector is zero then.

        Args:
            known: `[n_entities]` bool by dense id; what it says of the reserved ones
                does not matter. Towers without ids of their own have no use for it.

        Raises:
            ValueError: if an entity is known that the id table has no row for.
        """
        if not self.use_id:
            return
        ids = np.arange(self.n_entities, dtype=np.int32)
        has_row = known & (ids >= FIRST_ID)
        beyond = ids[has_row & (ids >= self.n_rows)]
        if len(beyond):
            raise ValueError(
                f"{len(beyond)} known entities have no row in a table of {self.n_rows} "
                f"(first: {beyond[:5].tolist()}); grow the towers first"
            )
        rows = np.where(has_row, ids, OUT_OF_VOCABULARY)
        if self.hashed_id is not None:
            rows[PADDING] = PADDING
        self.id_rows.assign(rows)

    def set_features(self, values: Mapping[str, np.ndarray]) -> None:
        """Store what each entity's features are.

        Args:
            values: name → `[n_entities, width]`, the feature's ids (int32) or numbers
                (float32) in rows of dense ids.
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
        """Return the entities' vectors, not normalised.

        Args:
            ids: `[...]` int32 dense ids.
            training: whether ids and units may be dropped.
            kept: `[..., len(parts)]` bool, False for a part that is left out: it
                counts as exactly zero and learns nothing. None keeps all.
            values: name → `[..., width]`, in place of those that are stored; a feature
                that is not among them keeps its own.
            weights: `[...]` float, how many entities each one stands for in batch
                norm's statistics; None for one each, and none for padding.

        Returns:
            `[..., D]` float.
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
        """Return the mean of some of the features' vectors, as an item's category.

        A missing feature counts as a zero vector, as it does in a tower that combines
        its parts by their mean.

        Args:
            ids: `[...]` int32 dense ids.
            names: the features, at least one.

        Returns:
            `[..., D]` float, not normalised.

        Raises:
            ValueError: if there are no names, the tower has no such feature, or its
                parts are of another width than D.
        """
        if unknown := [name for name in names if name not in self.features]:
            raise ValueError(
                f"the tower has no features {unknown}, only {list(self.features)}; "
                "name some of these"
            )
        if not names:
            raise ValueError(f"no feature is named; name some of {list(self.features)}")
        if self.embedding != self.dimension:
            raise ValueError(
                f"the mean of features has their width {self.embedding}, and is to "
                f"have that of entities, {self.dimension}; set embedding to the same"
            )
        features = [self.features[name] for name in names]
        return combine_parts([one(one.values_of(ids)) for one in features], "mean")

    def embed(
        self,
        rows: Tensor,
        values: Mapping[str, Tensor],
        *,
        training: bool = False,
        kept: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the vectors of entities that need not be stored.

        Args:
            rows: `[...]` int32, rows of the id table; OUT_OF_VOCABULARY for entities
                that have none. Of hashed ids, PADDING for empty slots.
            values: name → `[..., width]`, of every feature; 0 is a missing value.
            training: whether ids and units may be dropped.
            kept: as `call` takes it.
            weights: `[...]` float, how many entities each one stands for in batch
                norm's statistics, 0 for padding; None for one each.

        Returns:
            `[..., D]` float, not normalised.
        """
        parts = [embed(values[name]) for name, embed in self.features.items()]
        if self.use_id:
            drops = training and self.id_dropout > 0
            rows = self._drop_ids(rows) if drops else rows
            parts.append(
                take_rows(self.table, rows, dtype=self.compute_dtype)
                if self.hashed_id is None
                else self.hashed_id(rows)
            )
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
