"""What sequencing can be told; the values are in `conf/base/parameters`."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from two_tower.params import Params
from two_tower.types import Repeats, Ties

Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
SplitKind: TypeAlias = Literal[
    "leave_one_out", "temporal", "random", "new_users", "new_items"
]


class Selection(Params):
    """Which interactions count."""

    min_rating: float | None = Field(
        description="positive at or above; null: every interaction, rated or not"
    )
    repeats: Repeats = Field(
        description="which of a user's interactions with one item are kept"
    )
    min_item_interactions: int = Field(
        ge=1, description="items with fewer kept interactions are dropped"
    )
    min_user_interactions: int = Field(
        ge=1, description="users with fewer are dropped, after the items"
    )


class Order(Params):
    """What comes first among a user's interactions of one second."""

    ties: Ties
    seed: int = Field(description="of the shuffle")


def _text_only(value: object) -> object:
    if isinstance(value, str | date):  # datetime is a date; numbers are shares
        return value
    raise ValueError("a cut-off is a share of the interactions or a date")


CutOff: TypeAlias = Share | Annotated[datetime, BeforeValidator(_text_only)]


class Temporal(Params):
    """Global cut-offs: a share of the interactions in time order, or a date (UTC)."""

    validation: CutOff = Field(description="training ends just before")
    test: CutOff = Field(description="validation ends just before")

    @model_validator(mode="after")
    def _cut_offs_ascend(self) -> Self:
        are_shares = [isinstance(cut, float) for cut in (self.validation, self.test)]
        if are_shares[0] == are_shares[1] and not self.cuts[0] < self.cuts[1]:
            raise ValueError(
                f"temporal.validation ({self.validation}) must lie before "
                f"temporal.test ({self.test})"
            )
        return self

    @property
    def cuts(self) -> tuple[float | int, float | int]:
        """Both cut-offs, dates as whole seconds since 1970 (UTC)."""
        validation, test = (
            cut if isinstance(cut, float) else _seconds(cut)
            for cut in (self.validation, self.test)
        )
        return validation, test


def _seconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp())


class HeldOut(Params):
    """The shares that are held out; training keeps what is left."""

    validation: float = Field(ge=0, lt=1, description="share for validation; 0: none")
    test: Share = Field(description="share for test")

    @model_validator(mode="after")
    def _training_keeps_some(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation + test is {self.validation + self.test}; "
                "it must be below 1, so that something is left to train on"
            )
        return self


class RandomInteractions(HeldOut):
    """Shares of all interactions."""


class NewUsers(HeldOut):
    """Shares of the users with two interactions or more; they are held out whole."""

    given: Share = Field(description="share of a held-out user's items that is known")


class NewItems(HeldOut):
    """Shares of all kept items; they are held out whole."""


class Split(Params):
    """Which interactions are trained on; `kind` picks, its own group tunes."""

    kind: SplitKind
    seed: int = Field(description="of the draws of random, new_users and new_items")
    temporal: Temporal
    random: RandomInteractions
    new_users: NewUsers
    new_items: NewItems


class ExplicitNegatives(Params):
    """Explicit negatives: items that a user rated low."""

    max_rating: float | None = Field(
        description="maximum rating of an explicit negative, below "
        "selection.min_rating; "
        "null: there are none"
    )

    def check_against(self, selection: Selection) -> None:
        """Refuse a rating that is a positive and an explicit negative at once.

        Raises:
            ValueError: `max_rating` isn't below `selection.min_rating`.
        """
        positive, explicit_negatives = selection.min_rating, self.max_rating
        if explicit_negatives is not None and (
            positive is None or positive <= explicit_negatives
        ):
            raise ValueError(
                f"sequencing.explicit_negatives.max_rating ({explicit_negatives}) "
                "must be below "
                f"sequencing.selection.min_rating ({positive}; null makes every "
                "interaction a positive); set min_rating above it, or max_rating to "
                "null"
            )
