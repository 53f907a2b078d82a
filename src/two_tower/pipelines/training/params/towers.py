"""What queries and items are made of."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import Params

HistoryKind: TypeAlias = Literal["none", "mean", "transformer"]


class Mlp(Params):
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


class MeanHistory(Params):
    """The layer that averages a history."""

    hidden_units: list[PositiveInt] = Field(
        min_length=2, description="widths of the ReLU layers after the mean"
    )
    dropout: float = Field(ge=0, lt=1)


class TransformerHistory(Params):
    """The layer that reads a history with causal self-attention."""

    n_blocks: int = Field(ge=1)
    n_heads: int = Field(ge=1, description="dimension is a multiple of it")
    dropout: float = Field(ge=0, lt=1)


class Histories(Params):
    """What may read a history, each with parameters of its own."""

    mean: MeanHistory
    transformer: TransformerHistory


class Entity(Params):
    """What the vector of an item, or of a user's profile, is made of."""

    use_id: bool = Field(description="an embedding of the entity's own")
    use_features: bool = Field(description="embeddings of the declared features")
    features: dict[str, bool] = Field(
        description="feature → false leaves it out; those not named are in"
    )
    embedding: PositiveInt | None = Field(
        description="width of each embedding; null: the dimension"
    )
    combine: Literal["sum", "mean", "concat"] = Field(
        description="how embeddings become one vector"
    )
    mlp: Mlp | None = Field(description="layers from there to the dimension; or null")
    id_dropout: float = Field(
        ge=0, lt=1, description="share of entities without their id in a step"
    )
    scale: float = Field(gt=0, description="standard deviation of initial embeddings")
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
    def _the_width_fits(self) -> Self:
        if self.mlp is None and self.combine == "concat":
            raise ValueError(
                "combine is 'concat' but mlp is null, so nothing would bring the "
                "vector to the dimension; give an mlp, or choose sum or mean"
            )
        return self


class Profile(Entity):
    """What is known of a user beside the history: id and declared features."""

    use: bool = Field(description="whether the query tower has a profile at all")
