"""Parameters of towers and their parts; importing them costs no Keras."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import Params
from two_tower.towers.hashing import Modulo
from two_tower.types import Combination

if TYPE_CHECKING:
    HistoryEncoder: TypeAlias = Any


class MlpParams(Params):
    """Dense layers: ReLU and dropout between them, the last one linear."""

    hidden_units: PositiveInt | list[PositiveInt] = Field(
        description="widths of the layers before the last; one number is one layer"
    )
    batch_norm: bool = Field(description="on the input and between layers")
    dropout: float = Field(ge=0, lt=1, description="share dropped between layers")

    @property
    def widths(self) -> list[int]:
        """The hidden widths as a list, whichever way they were given."""
        units = self.hidden_units
        return [units] if isinstance(units, int) else list(units)

    @model_validator(mode="after")
    def _there_is_something_to_drop(self) -> Self:
        if self.dropout and not self.widths:
            raise ValueError(
                f"dropout is {self.dropout} but there are no hidden_units, whose "
                "outputs it drops; set it to 0, or give hidden_units"
            )
        return self


@dataclass(frozen=True)
class HistoryShape:
    """Sizes that a history encoder is built for.

    Attributes:
        dimension: D of item vectors and of the encoder's output.
        max_length: the longest history of training, in items.
        seed: seed of initial weights and dropout.
        dtype: Keras dtype policy.
    """

    dimension: int
    max_length: int
    seed: int
    dtype: str


class HistoryParams(Params):
    """Options of a history encoder, and how it is built.

    Attributes:
        query_per_position: whether each position of a history is a query; otherwise a
            history is one query.
        separate_items: whether history items may have an item tower of their own.
    """

    query_per_position: ClassVar[bool] = True
    separate_items: ClassVar[bool] = False

    @property
    def reads_events(self) -> bool:
        """Whether the encoder reads times, or also ratings, of history items."""
        return False

    def build(self, shape: HistoryShape) -> "HistoryEncoder | None":
        """Return the untrained encoder, or None if histories are not read."""
        raise NotImplementedError


class NoHistory(HistoryParams):
    """Queries are made of the user's profile alone."""

    query_per_position: ClassVar[bool] = False

    def build(self, shape: HistoryShape) -> None:
        del shape


class MeanParams(HistoryParams):
    """Mean of the history under ReLU layers."""

    separate_items: ClassVar[bool] = True

    hidden_units: list[PositiveInt] = Field(
        min_length=2, description="widths of the ReLU layers after the mean"
    )
    dropout: float = Field(ge=0, lt=1)

    def build(self, shape: HistoryShape) -> "HistoryEncoder":
        from two_tower.towers.mean import MeanUserTower

        return MeanUserTower(
            shape.dimension,
            hidden_units=self.hidden_units,
            dropout=self.dropout,
            max_length=shape.max_length,
            seed=shape.seed,
            dtype=shape.dtype,
        )


class HashedTable(Params):
    """A table whose rows ids share, by their remainder."""

    buckets: int = Field(ge=2, description="rows; a prime, another for each table")
    dimension: PositiveInt = Field(description="width of its rows")

    @model_validator(mode="after")
    def _buckets_are_prime(self) -> Self:
        Modulo(self.buckets)  # refuses another, and names the next prime
        return self


def require_distinct_tables(of: str, tables: list[HashedTable]) -> None:
    """Raise `ValueError` if two tables of a value would have its rows alike."""
    buckets = [table.buckets for table in tables]
    if len(set(buckets)) < len(buckets):
        raise ValueError(
            f"the tables of {of} have {buckets} buckets, so two of them are joined by "
            "the same remainder and tell nothing apart that one wouldn't; give each a "
            "prime of its own"
        )


class EntityParams(Params):
    """What the vector of an item, or of a user's profile, is made of."""

    use_id: bool = Field(description="an embedding of the entity's own")
    use_features: bool = Field(description="embeddings of the declared features")
    features: dict[str, bool] = Field(
        description="feature → false leaves it out; those not named are in"
    )
    embedding: PositiveInt | None = Field(
        description="width of each embedding; null: the dimension"
    )
    hashes: dict[str, list[HashedTable]] = Field(
        description="feature, or `id` → tables whose rows its values share, joined by "
        "a projection; those not named have a row for each value"
    )
    combine: Combination = Field(description="how embeddings become one vector")
    mlp: MlpParams | None = Field(
        description="layers from there to the dimension; or null"
    )
    id_dropout: float = Field(
        ge=0, lt=1, description="share of entities without their id in a step"
    )
    scale: float | None = Field(
        gt=0,
        description="standard deviation of initial embeddings; null: 1/√width, for "
        "vectors of about length 1",
    )
    l2: float = Field(ge=0, description="times the sum of all squared embeddings")

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if not (self.use_id or self.use_features):
            raise ValueError(
                "use_id and use_features are both false, so all entities would be "
                "alike; set one of them to true"
            )
        if self.id_dropout and not (self.use_id and self.use_features):
            raise ValueError(
                f"id_dropout is {self.id_dropout}, which needs both use_id and "
                "use_features: an entity without its id must have its content"
            )
        return self

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        for part, tables in self.hashes.items():
            require_distinct_tables(f"hashes.{part}", tables)
        return self

    @model_validator(mode="after")
    def _the_width_fits(self) -> Self:
        if self.mlp is None and self.combine == "concat":
            raise ValueError(
                "combine is 'concat' but mlp is null, so nothing would bring the "
                "vector to the dimension; give an mlp, or choose sum or mean"
            )
        return self


class ProfileParams(EntityParams):
    """What is known of a user beside the history: id and declared features."""

    use: bool = Field(description="whether the query tower has a profile at all")
