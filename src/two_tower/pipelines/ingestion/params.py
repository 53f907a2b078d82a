"""Parameters of ingestion: a source's column names and formats."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from two_tower.params import Params
from two_tower.plain_names import require_column_names
from two_tower.tables.date_formats import parse_format
from two_tower.tables.faults import Invalid
from two_tower.types import Entity

Column = Annotated[str, Field(min_length=1)]
IdType = Literal["integer", "text"]
FeatureType = Literal["text", "integer", "number", "price", "list"]


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
    timestamp: Column | None = Field(description="null: the source has no times")
    rating: Column | None = Field(description="null: the source has no ratings")

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        named = [self.user_id, self.item_id, self.timestamp, self.rating]
        repeated = sorted({name for name in named if name and named.count(name) > 1})
        if repeated:
            raise ValueError(
                f"columns.interactions names the column {', '.join(repeated)} twice; "
                "users, items, times and ratings need a column of their own, or null "
                "for times and ratings"
            )
        return self


class ItemColumns(Params):
    """The source's column for each column of `items`, features apart."""

    item_id: Column
    title: Column | None = Field(description="null: the source has no titles")


class UserColumns(Params):
    """The source's column for each column of `users`, features apart."""

    user_id: Column


ID_TYPES: Final[dict[IdType, str]] = {"integer": "int64", "text": "string"}
FEATURE_TYPES: Final[dict[FeatureType, str]] = {
    "text": "string",
    "integer": "int64",
    "number": "float32",
    "price": "float32",
    "list": "array<string>",
}
"""Types of kept columns, in Ibis' words."""


class Columns(Params):
    """The source's column names."""

    interactions: InteractionColumns
    items: ItemColumns
    users: UserColumns


class FeatureColumn(Params):
    """A column of items or users to keep for a feature of `sequencing.features`.

    `text` and `integer` suit categories, `number` and `price` (float32) amounts, `list`
    several texts.
    """

    name: Column
    column: Column = Field(description="name in the source")
    type: FeatureType = Field(
        description="price: a number beside a currency, with marks of thousands"
    )
    # A declaration names only the options that it changes, hence the defaults.
    format: Literal["separated", "json", "python"] = Field(
        default="separated",
        description="how text writes a list: a;b, [\"a\", \"b\"] or ['a', 'b']",
    )
    separator: str | None = Field(
        default=None,
        min_length=1,
        description="text between the values of a separated list; null: that of all",
    )

    @model_validator(mode="after")
    def _list_options_have_a_list(self) -> Self:
        is_separated = self.type == "list" and self.format == "separated"
        if self.type != "list" and self.format != "separated":
            raise ValueError(f"{self.name}: only a list has a format; remove it")
        if self.separator is not None and not is_separated:
            raise ValueError(
                f"{self.name}: only a list of the format separated has a separator; "
                "remove it"
            )
        return self


class Features(Params):
    """The columns of items and users to keep."""

    items: tuple[FeatureColumn, ...]
    users: tuple[FeatureColumn, ...]

    @model_validator(mode="after")
    def _names_are_free_and_unique(self) -> Self:
        for table, own in [("items", {"item_id", "title"}), ("users", {"user_id"})]:
            require_column_names((one.name for one in getattr(self, table)), own)
        return self


class DateFormat(Params):
    """Times as text in a format of their own."""

    format: str = Field(
        description="as for strptime: %d.%m.%Y %H:%M; without %z in UTC"
    )

    @field_validator("format")
    @classmethod
    def _is_readable(cls, written: str) -> str:
        parse_format(written)
        return written


TimestampFormat = (
    Literal["seconds", "milliseconds", "microseconds", "nanoseconds", "excel"]
    | Literal["datetime"]
    | DateFormat
)


class Years(Params):
    """The years that times may lie in. Others come from a wrong unit or format."""

    first: int = Field(
        ge=1970,
        description="1970: allow its times, which most often are of another unit",
    )
    last: int = Field(le=2099)

    @model_validator(mode="after")
    def _years_are_in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError(
                f"years.first is {self.first}, after years.last, {self.last}; no time "
                "lies between them"
            )
        return self


class Ingestion(Params):
    """How a source's tables become interactions, items and users."""

    ids: Ids
    timestamps: TimestampFormat = Field(
        description="since 1970 (UTC); excel: days as spreadsheets count them; "
        "datetime: dates and times, ISO 8601 as text, in UTC unless they have an "
        "offset; {format: …}: dates in another form"
    )
    years: Years
    decimal: Literal[".", ","] = Field(description="decimal mark of numbers as text")
    missing: tuple[str, ...] = Field(
        description="values that mean missing, beside blank ones; as text, without "
        "spaces around them"
    )
    invalid: Invalid = Field(
        description="refuse: stop at rows that can't be used; drop: leave them out, "
        "and of items and users only the values of features that do not fit"
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

    @property
    def written_times(self) -> str:
        """The unit, `datetime`, or the format of the times."""
        times = self.timestamps
        return times.format if isinstance(times, DateFormat) else times

    def kept_columns(self, entity: Entity) -> dict[str, str]:
        """Return the columns of `items` or `users` that may have values.

        Returns:
            Name → type, in Ibis' words.
        """
        is_item = entity == "item"
        columns = {f"{entity}_id": ID_TYPES[getattr(self.ids, f"{entity}_id")]}
        if is_item and self.columns.items.title is not None:
            columns["title"] = "string"
        features = self.features.items if is_item else self.features.users
        return columns | {one.name: FEATURE_TYPES[one.type] for one in features}
