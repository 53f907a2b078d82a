"""Parameters of ingestion: what a source calls its columns, and how it writes them."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from two_tower.params import Params

Column = Annotated[str, Field(min_length=1)]
IdType = Literal["integer", "text"]
TimestampFormat = Literal["seconds", "milliseconds", "datetime"]
FeatureType = Literal["text", "integer", "number", "list"]


class Ids(Params):
    """What ids are. Text keeps them as written: "007" is another id than "7"."""

    user_id: IdType
    item_id: IdType


class InteractionColumns(Params):
    """The source's column for each column of `interactions`."""

    event_id: Column | None = Field(
        description="whole numbers, unique, the order of events that share a time; "
        "null takes the order of the rows in the file"
    )
    user_id: Column
    item_id: Column
    timestamp: Column
    rating: Column | None = Field(description="null if the source has no ratings")


class ItemColumns(Params):
    """The source's column for each column of `items` but the features."""

    item_id: Column
    title: Column | None = Field(description="null if the source has no titles")


class UserColumns(Params):
    """The source's column for each column of `users` but the features."""

    user_id: Column


class Columns(Params):
    """What the source calls its columns."""

    interactions: InteractionColumns
    items: ItemColumns
    users: UserColumns


class FeatureColumn(Params):
    """A column of items or users to keep; sequencing's parameters say what it means.

    `type` says how it is kept: `text` and `integer` suit categories, `number`
    (float32) amounts, `list` several texts at once.
    """

    name: Column
    column: Column = Field(description="what the source calls it")
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
                    f"features.{table} names {', '.join(taken)} again; each name may "
                    f"come once, and {', '.join(sorted(own))} not at all"
                )
        return self


class Ingestion(Params):
    """How a source's tables become interactions, items and users."""

    ids: Ids
    timestamps: TimestampFormat = Field(
        description="since 1970 in UTC, or dates and times as ISO 8601 writes them, "
        "which are UTC unless they say otherwise"
    )
    separator: str = Field(
        min_length=1, description="between the values of a list that is given as text"
    )
    columns: Columns
    features: Features
