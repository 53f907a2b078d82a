"""Hashed embedding: tables with fewer rows than there are values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from two_tower.towers.hashing import HashFunction, Modulo, from_config, to_config
from two_tower.towers.vectors import take_rows
from two_tower.types import PADDING, Tensor


@dataclass(frozen=True)
class Hash:
    """A hash function and its table.

    Attributes:
        table: name of the table; hashes may share one.
        function: from values to rows; its `size` is the number of rows.
        dimension: width of a row.
    """

    table: str
    function: HashFunction
    dimension: int


def hashes_of_ids(options: Sequence[Mapping[str, int]]) -> list[Hash]:
    """Return a `Modulo` hash with its own table for each entry of the options.

    Args:
        options: `buckets`, a prime, and `dimension` of each table.

    Raises:
        ValueError: if a number of buckets is not a prime.
    """
    return [
        Hash(f"table_{n}", Modulo(one["buckets"]), one["dimension"])
        for n, one in enumerate(options)
    ]


@keras.saving.register_keras_serializable("two_tower")
class HashedEmbedding(keras.layers.Layer):
    """Embedding of values by shared rows of several tables ("Bloom" embedding).

    Each hash function selects a row of its table; the concatenated rows are projected
    by W `[sum of the hashes' dimensions, D]`, without a bias. Two values have the same
    vector only if all functions give them the same rows. A single hash of dimension D
    has no W.

    Args:
        hashes: `Hash`es or their fields, with `function` as in `hashing.to_config`.
        dimension: D.
        scale: standard deviation of the initial tables; None for D^-½. W starts
            Glorot-normal: normal, not uniform, so that the vectors start evenly in all
            directions.
        l2: weight of the tables' L2 penalty, a sum of squares; 0: none.

    Raises:
        ValueError: if there are no hashes, or two of one table disagree on its shape.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021. Serrà and Karatzoglou, Getting Deep
        Recommenders Fit: Bloom Embeddings for Sparse Binary Input/Output Networks,
        RecSys 2017.
    """

    def __init__(
        self,
        hashes: Sequence[Hash | Mapping[str, Any]],
        dimension: int,
        *,
        scale: float | None = None,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hashes = tuple(map(_as_hash, hashes))
        self.dimension = dimension
        self.scale = scale
        self.l2 = l2
        self.shapes = _table_shapes(self.hashes)

    @property
    def input_dtype(self) -> str:
        """Dtype that Keras casts inputs to; half precision would change rows."""
        return "float32"

    @property
    def width(self) -> int:
        """Width of the concatenated rows."""
        return sum(one.dimension for one in self.hashes)

    @property
    def projects(self) -> bool:
        """Whether there is a W."""
        return len(self.hashes) > 1 or self.width != self.dimension

    def build(self, _: Any = None) -> None:
        scale = self.dimension**-0.5 if self.scale is None else self.scale
        self.tables = {
            name: self.add_weight(
                name=name,
                shape=shape,
                initializer=keras.initializers.RandomNormal(stddev=scale),
                regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
                autocast=False,
            )
            for name, shape in self.shapes.items()
        }
        if self.projects:
            self.kernel = self.add_weight(
                name="kernel",
                shape=(self.width, self.dimension),
                initializer=keras.initializers.GlorotNormal(),
            )
        self.built = True

    def call(self, ids: Tensor, is_real: Tensor | None = None) -> Tensor:
        """Return the values' vectors.

        Args:
            ids: `[...]` ids, hours or numbers, as the hash functions take them.
            is_real: `[...]` bool, False for padding, which has a zero vector and no
                gradient; None if 0 is padding.

        Returns:
            `[..., D]` float.
        """
        if is_real is None:
            is_real = ops.not_equal(ids, PADDING)
        # Padding reads row 0, which no value has.
        rows = [
            take_rows(
                self.tables[one.table],
                ops.where(is_real, one.function(ids), PADDING),
                dtype=self.compute_dtype,
            )
            for one in self.hashes
        ]
        vectors = ops.concatenate(rows, axis=-1) if len(rows) > 1 else rows[0]
        if self.projects:
            # One large matrix product costs less than many small ones.
            flat = ops.matmul(ops.reshape(vectors, (-1, self.width)), self.kernel)
            vectors = ops.reshape(flat, (*ops.shape(ids), self.dimension))
        return ops.where(ops.expand_dims(is_real, -1), vectors, ops.zeros_like(vectors))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hashes": [
                {
                    "table": one.table,
                    "function": to_config(one.function),
                    "dimension": one.dimension,
                }
                for one in self.hashes
            ],
            "dimension": self.dimension,
            "scale": self.scale,
            "l2": self.l2,
        }


def _as_hash(one: Hash | Mapping[str, Any]) -> Hash:
    if isinstance(one, Hash):
        return one
    fields = dict(one)
    if isinstance(fields["function"], Mapping):
        fields["function"] = from_config(fields["function"])
    return Hash(**fields)


def _table_shapes(hashes: Sequence[Hash]) -> dict[str, tuple[int, int]]:
    """Return the tables' shapes by name, `[rows, width]`."""
    if not hashes:
        raise ValueError("there are no hashes; give at least one")
    shapes: dict[str, tuple[int, int]] = {}
    for one in hashes:
        shape = (one.function.size, one.dimension)
        if shapes.setdefault(one.table, shape) != shape:
            raise ValueError(
                f"table {one.table!r} has the shapes {shapes[one.table]} and {shape}; "
                "give each hash its own table, or the same size and dimension"
            )
    return shapes
