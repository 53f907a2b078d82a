"""How declared features are written down in the parameters of sequencing."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from two_tower.params import Params

# Columns of the feature tables, and what an entity tower calls the id's own part.
RESERVED_NAMES: Final = {"id", "item", "item_id", "user", "user_id", "n_train"}


class DeclaredFeature(Params):
    """How a column of the items or users becomes numbers."""

    # A declaration names only what it needs, hence the defaults.
    kind: Literal[
        "categorical", "multi_valued", "words", "dense", "rarest", "value_set"
    ] = Field(
        description="categorical: one value; multi_valued: a list; words: of a text; "
        "dense: a number; rarest: of a list, the value that the fewest items (users) "
        "of the training have; value_set: all of a list as one value"
    )
    column: str | None = Field(
        default=None, description="where it is read from; null: the feature's name"
    )
    min_count: int = Field(
        default=1,
        ge=1,
        description="values that fewer items (users) of the training have are "
        "unknown; of rarest, those that fewer have as their rarest; of value_set, sets",
    )
    prefix: int | None = Field(
        default=None, ge=1, description="only a value's first characters (categorical)"
    )
    opt_in: bool = Field(
        default=False,
        description="towers read it only where their `features` set it to true",
    )

    @model_validator(mode="after")
    def _options_fit_the_kind(self) -> Self:
        if self.prefix is not None and self.kind != "categorical":
            raise ValueError(f"prefix is for categorical features, not {self.kind!r}")
        if self.min_count > 1 and self.kind == "dense":
            raise ValueError("min_count is for features with values, not for 'dense'")
        return self


class Features(Params):
    """The declared features; null in place of one, or of all, switches it off."""

    item: dict[str, DeclaredFeature | None] | None
    user: dict[str, DeclaredFeature | None] | None

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        taken = RESERVED_NAMES & ({*(self.item or {})} | {*(self.user or {})})
        if taken:
            raise ValueError(
                f"features can't be called {sorted(taken)}: these names are taken by "
                "the feature tables and towers; choose another and give the column as "
                "`column`"
            )
        return self

    def of(self, entity: Literal["item", "user"]) -> dict[str, DeclaredFeature]:
        """Return the features in force, by name in alphabetical order."""
        declared = (self.item if entity == "item" else self.user) or {}
        return {name: one for name, one in sorted(declared.items()) if one is not None}
