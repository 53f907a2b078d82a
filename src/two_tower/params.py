"""The base of all typed parameters, and options that pipelines share."""

from collections.abc import Mapping
from math import isfinite
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    Self,
    TypeAlias,
    TypeVar,
    get_args,
    get_origin,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StrictInt,
    model_validator,
)

# Strict, or a bare `on` or `1e3` on the command line would stand for user 1 or 1000.
RawId: TypeAlias = StrictInt | str
SeenItems: TypeAlias = Literal["left_out", "ranked"]
Ids: TypeAlias = Annotated[tuple[RawId, ...], Field(min_length=1)]

LARGEST_SIZE: Final = 1 << 16
MOST_ROWS: Final = 1 << 22

Size: TypeAlias = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]
"""A width, or a number of heads, epochs or samples, that multiplies the work."""

Rows: TypeAlias = Annotated[int, Field(ge=1, le=MOST_ROWS)]
"""Rows, items or tokens that are in memory at one time."""

Factor: TypeAlias = Annotated[float, Field(le=1_000)]
"""A temperature, rate, weight or deviation, which is near 1 or below."""

LARGEST: Final = (1 << 31) - 1
"""Largest number that is not an id; tables and towers count in 32 bits."""

Count: TypeAlias = Annotated[int, Field(ge=1, le=LARGEST)]
"""A number of rows that may exceed those there are."""


class Params(BaseModel):
    """Base of all parameters: read-only, and a misspelt key is an error.

    A value has the type that its field declares: no text, no `true` for a number, no
    number for text. Numbers are finite.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _numbers_fit(cls, given: Any) -> Any:
        """Refuse numbers beyond 32 bits, except ids, which may be text, too."""
        for name, value in given.items() if isinstance(given, Mapping) else ():
            field = cls.model_fields.get(name)
            if field is None or _takes_text(field.annotation):
                continue
            numbers = value if isinstance(value, list | tuple) else [value]
            if wrong := [one for one in numbers if _is_too_large(one)]:
                raise ValueError(f"{name} is {wrong[0]}; allowed is up to {LARGEST}")
        return given

    @model_validator(mode="before")
    @classmethod
    def _lists_become_tuples(cls, given: Any) -> Any:
        """Convert a list where a field is a tuple, which YAML can't write."""
        if not isinstance(given, Mapping):
            return given
        fields = cls.model_fields
        return {
            name: tuple(value)
            if isinstance(value, list)
            and name in fields
            and _takes_tuple(fields[name].annotation)
            else value
            for name, value in given.items()
        }


def _is_too_large(value: Any) -> bool:
    """Return whether a value is a number beyond 32 bits; infinity has its own check."""
    is_number = isinstance(value, int | float) and isfinite(value)
    return is_number and abs(value) > LARGEST


def _takes_text(annotation: Any) -> bool:
    """Return whether a type is text, or a union with text."""
    return annotation is str or any(map(_takes_text, get_args(annotation)))


def _takes_tuple(annotation: Any) -> bool:
    """Return whether a type is a tuple, or a union with one."""
    return get_origin(annotation) is tuple or any(
        _takes_tuple(part) for part in get_args(annotation)
    )


class Seen(RootModel[SeenItems], frozen=True):
    """Whether items that a user has seen are candidates.

    `left_out` suits data where people take an item once, `ranked` data where they come
    back to it, such as groceries or music.
    """


PartT = TypeVar("PartT", bound=Params)


class OneOf(Params, Generic[PartT]):
    """A choice of one part: `kind` names it, the group of that name has its options.

    A registry is a subclass with a field for each kind; the class of a field's type
    holds the options of its kind and builds the part.
    """

    kind: str = Field(description="name of the part, one of the groups beside it")

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Return the names that `kind` may have, in order of their declaration."""
        return tuple(
            name
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type)
            and issubclass(field.annotation, Params)
        )

    @property
    def chosen(self) -> PartT:
        """The options of the chosen kind."""
        part: PartT = getattr(self, self.kind)
        return part

    @model_validator(mode="after")
    def _kind_is_registered(self) -> Self:
        if self.kind not in self.kinds():
            raise ValueError(
                f"kind is {self.kind!r}; choose one of {', '.join(self.kinds())}"
            )
        return self


class PaddedBatches(Params):
    """How lists of different lengths become batches."""

    tokens_per_batch: Rows = Field(description="items in a batch, padding included")
    bucket_boundaries: list[Size] = Field(
        min_length=1, description="rising widths that lists are padded to"
    )

    @model_validator(mode="after")
    def _buckets_rise_and_fit(self) -> Self:
        boundaries = self.bucket_boundaries
        if boundaries != sorted(set(boundaries)) or boundaries[0] < 1:
            raise ValueError(
                f"bucket_boundaries is {boundaries}; give rising widths above 0"
            )
        if self.tokens_per_batch < boundaries[-1]:
            raise ValueError(
                f"tokens_per_batch is {self.tokens_per_batch}, less than the last of "
                f"bucket_boundaries, {boundaries[-1]}; a batch holds at least one row"
            )
        return self
