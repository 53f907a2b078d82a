"""Parameters of ingestion: a source's column names and formats."""

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from two_tower.params import Params

Column = Annotated[str, Field(min_length=1)]
IdType = Literal["integer", "text"]
TimestampFormat = Literal["seconds", "milliseconds", "datetime"]
FeatureType = Literal["text", "integer", "number", "list"]


class Ids(Params):
    """Types of the ids. As text, "007" and "7" are two ids."""

    user_id: IdType
    item_id: IdType


class InteractionColumns(Params):
    """The source's column for each column of `interactions`."""

    event_id: Column | None = Field(
        description="unique whole numbers, the order of interactions with one time; "
        "null: the order of the rows in the file"
    )
    user_id: Column
    item_id: Column
    timestamp: Column
    rating: Column | None = Field(description="null: the source has no ratings")


class ItemColumns(Params):
    """The source's column for each column of `items`, features apart."""

    item_id: Column
    title: Column | None = Field(description="null: the source has no titles")


class UserColumns(Params):
    """The source's column for each column of `users`, features apart."""

    user_id: Column


class Columns(Params):
    """The source's column names."""

    interactions: InteractionColumns
    items: ItemColumns
    users: UserColumns


class FeatureColumn(Params):
    """A column of items or users to keep for a feature of `sequencing.features`.

    `text` and `integer` suit categories, `number` (float32) amounts, `list` several
    texts.
    """

    name: Column
    column: Column = Field(description="name in the source")
    type: FeatureType


class Features(Params):
    """The columns of items and users to keep."""

    items: tuple[FeatureColumn, ...]
    users: tuple[FeatureColumn, ...]

    @model_validator(mode="after")
    def _names_are_free_and_unique(self) -> Self:
        for table, own in [("items", {"item_id", "title"}), ("users", {"user_id"})]:
            names = Counter(feature.name for feature in getattr(self, table))
            taken = sorted(n for n, times in names.items() if times > 1 or n in own)
            if taken:
                raise ValueError(
                    f"features.{table} repeats the names {', '.join(taken)}; choose "
                    f"names that differ from each other and from "
                    f"{', '.join(sorted(own))}"
                )
        return self


class Ingestion(Params):
    """How a source's tables become interactions, items and users."""

    ids: Ids
    timestamps: TimestampFormat = Field(
        description="since 1970 (UTC); datetime: dates and times, ISO 8601 as text, "
        "in UTC unless they have an offset"
    )
    separator: str = Field(
        min_length=1, description="text between the values of a list given as text"
    )
    columns: Columns
    features: Features

    @field_validator("columns", mode="before")
    @classmethod
    def _columns_are_declared(cls, columns: Any) -> Any:
        if columns is None:
            raise ValueError(
                "the environment declares no columns. For MovieLens, add `format: "
                "movielens` to its globals.yml. For your own tables, name their "
                "columns in its parameters/ingestion.yml, as conf/own-data does, or "
                "let a table write it: python -m two_tower.new_environment my.csv"
            )
        return columns
