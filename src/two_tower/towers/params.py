"""Parameters of towers and of their parts; importing them imports no Keras."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from two_tower.params import Factor, Params, Size
from two_tower.towers.hashing import Modulo
from two_tower.types import Combination

if TYPE_CHECKING:
    from two_tower.towers.base import HistoryEncoder


class MlpParams(Params):
    """Dense layers, the last one linear, the others with ReLU and dropout."""

    hidden_units: Size | list[Size] = Field(
        description="widths of the ReLU layers; one number is one layer"
    )
    batch_norm: bool = Field(description="on the input and after each ReLU")
    dropout: float = Field(ge=0, lt=1, description="rate of dropped ReLU units")

    @property
    def widths(self) -> list[int]:
        """Widths of the ReLU layers as a list."""
        units = self.hidden_units
        return [units] if isinstance(units, int) else list(units)

    @model_validator(mode="after")
    def _dropout_has_units(self) -> Self:
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
        dimension: D of item vectors and of the encoder's states.
        max_length: longest history of training, in items.
        seed: seed of dropout.
        dtype: Keras dtype policy.
    """

    dimension: int
    max_length: int
    seed: int
    dtype: str


class HistoryParams(Params, ABC):
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

    def without_times(self) -> Self:
        """Return the options for data without times, where no time is read."""
        return self

    @property
    def item_features(self) -> list[str]:
        """Names of the item features that the encoder reads."""
        return []

    @staticmethod
    def encoder_class() -> Any:
        """Return the encoder's Keras class; its import registers it with Keras."""
        from two_tower.towers.base import StackedEncoder

        return StackedEncoder

    @abstractmethod
    def build(self, shape: HistoryShape) -> "HistoryEncoder | None":
        """Return the untrained encoder, or None if histories are not read."""


class NoHistory(HistoryParams):
    """Histories are not read: queries come from user profiles."""

    query_per_position: ClassVar[bool] = False

    def build(self, shape: HistoryShape) -> None:
        del shape


class MeanParams(HistoryParams):
    """Mean of the item vectors, then ReLU layers."""

    separate_items: ClassVar[bool] = True

    hidden_units: list[Size] = Field(
        min_length=2, description="widths of the ReLU layers after the mean"
    )
    dropout: float = Field(ge=0, lt=1, description="rate of dropped ReLU units")

    @staticmethod
    def encoder_class() -> Any:
        from two_tower.towers.mean import MeanUserTower

        return MeanUserTower

    def build(self, shape: HistoryShape) -> "HistoryEncoder":
        encoder: HistoryEncoder = self.encoder_class()(
            shape.dimension,
            hidden_units=self.hidden_units,
            dropout=self.dropout,
            max_length=shape.max_length,
            seed=shape.seed,
            dtype=shape.dtype,
        )
        return encoder


class HashedTable(Params):
    """Embedding table whose rows are shared by ids with equal remainders."""

    buckets: int = Field(ge=2, description="rows; a prime, another for each table")
    dimension: Size = Field(description="width of a row")

    @model_validator(mode="after")
    def _buckets_are_prime(self) -> Self:
        Modulo(self.buckets)  # raises for other numbers and names the next prime
        return self


def require_distinct_tables(owner: str, tables: list[HashedTable]) -> None:
    """Raise `ValueError` if two of the owner's tables have as many buckets."""
    buckets = [table.buckets for table in tables]
    if len(set(buckets)) < len(buckets):
        raise ValueError(
            f"the tables of {owner} have {buckets} buckets, but equal numbers of "
            "buckets give ids equal rows; give each table a prime of its own"
        )


class EntityParams(Params):
    """Parts of the vector of an item, or of a user profile."""

    use_id: bool = Field(description="whether each entity has its own embedding")
    use_features: bool = Field(description="whether declared features are embedded")
    features: dict[str, bool] = Field(
        description="feature → false excludes it, true includes one that is opt_in; "
        "others are read unless opt_in"
    )
    embedding: Size | None = Field(
        description="width of each embedding; null: the dimension"
    )
    hashes: dict[str, list[HashedTable]] = Field(
        description="feature, or `id` → tables whose rows its values share, joined by "
        "a projection; others have a row for each value"
    )
    combine: Combination = Field(description="how embeddings become one vector")
    mlp: MlpParams | None = Field(
        description="layers from the combined embeddings to the dimension; or null"
    )
    id_dropout: float = Field(
        ge=0, lt=1, description="share of entities without their id in a step"
    )
    scale: Factor | None = Field(
        gt=0,
        description="standard deviation of initial embeddings; null: 1/√width, for "
        "vectors of about length 1",
    )
    l2: Factor = Field(ge=0, description="weight of the sum of squared embeddings")

    @model_validator(mode="after")
    def _entities_differ(self) -> Self:
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
    def _width_fits(self) -> Self:
        if self.mlp is None and self.combine == "concat":
            raise ValueError(
                "combine is 'concat' but mlp is null, so nothing maps the vector to "
                "the dimension; give an mlp, or set combine to sum or mean"
            )
        return self


class ProfileParams(EntityParams):
    """Vector of a user from id and declared features, beside the history."""

    use: bool = Field(description="whether queries read profiles at all")
