"""An embedding whose tables have fewer rows than there are values."""

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
    """One table, and how its rows are found.

    Attributes:
        table: its name; hashes of the same name read the same table.
        function: gives the row; its `size` is how many there are.
        dimension: width of the rows.
    """

    table: str
    function: HashFunction
    dimension: int


def hashes_of_ids(options: Sequence[Mapping[str, int]]) -> list[Hash]:
    """Return a table of its own for each of some primes.

    Args:
        options: of each table `buckets`, a prime, and `dimension`.

    Raises:
        ValueError: if a number of buckets is no prime.
    """
    return [
        Hash(f"table_{place}", Modulo(one["buckets"]), one["dimension"])
        for place, one in enumerate(options)
    ]


@keras.saving.register_keras_serializable("two_tower")
class HashedEmbedding(keras.layers.Layer):
    """Embed values by rows that they share with others ("Bloom" embedding).

    Each hash function gives a row of its table; the rows, side by side, are projected
    by W `[sum of the hashes' dimensions, D]`, without a bias. Two values are alike only
    if all functions put them into the same rows. One hash of dimension D needs no W.

    Args:
        hashes: `Hash`es, or their fields, with `function` as `hashing.to_config` has
            it.
        dimension: D.
        scale: standard deviation of the initial tables; None for D^-½. W starts
            Glorot-normal: normal, not uniform, so that the vectors start out evenly
            in all directions.
        l2: times the sum of the tables' squares is added to the loss; 0 for none.

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
        """What Keras casts numbers to: half precision would move them over edges."""
        return "float32"

    @property
    def width(self) -> int:
        """Width of the rows side by side."""
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
            ids: `[...]` of what the functions take: int ids, hours, or any numbers.
            is_real: `[...]` bool, False for padding, whose vector is zero and teaches
                nothing; None where 0 is padding.

        Returns:
            `[..., D]` float.
        """
        if is_real is None:
            is_real = ops.not_equal(ids, PADDING)
        # Padding reads row 0, and so touches the row of no value.
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
            # One product of two matrices: many small ones cost more.
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
                f"table {one.table!r} is to be {shapes[one.table]} and {shape}; give "
                "the hashes names of their own, or the same size and dimension"
            )
    return shapes
