"""Parameters of the evaluation pipeline."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from two_tower.params import Params


def _rising(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(low >= high for low, high in pairwise(values)):
        raise ValueError(f"{list(values)} must rise, each number above the one before")
    return values


Rising = AfterValidator(_rising)


class Ease(Params):
    """The EASE baseline."""

    l2: float = Field(gt=0, description="regularisation; larger tames rare items")
    max_items: int = Field(
        ge=0, description="with more items it is left out, and metrics.json says so"
    )


class Intervals(Params):
    """The bootstrap over queries."""

    resamples: int = Field(ge=1, description="how often the queries are drawn")
    confidence: float = Field(gt=0, lt=1, description="share of resamples inside")
    seed: int = Field(ge=0, description="of the draws")


class Slices(Params):
    """The groups of queries and positives that are also measured alone."""

    history_lengths: Annotated[
        tuple[int, ...],
        Rising,
        Field(min_length=1, description="items; the least of each group, from 0 up"),
    ]
    head: float = Field(
        ge=0,
        le=1,
        description="share of the training interactions that the head, the most "
        "popular items, holds",
    )
    mid: float = Field(ge=0, le=1, description="the share of the next items, the mid")

    @model_validator(mode="after")
    def _bounds_cover_everything(self) -> Self:
        if self.history_lengths[0] != 0:
            raise ValueError(
                f"slices.history_lengths starts at {self.history_lengths[0]}; it must "
                "start at 0, so that every query is in a group"
            )
        if self.head + self.mid > 1:
            raise ValueError(
                f"slices.head + slices.mid is {self.head + self.mid}; shares of one "
                "whole can't exceed 1"
            )
        return self


class Interests(Params):
    """The users whose vectors are told of, in titles."""

    users: int = Field(ge=0, description="evenly spread over the test queries")
    history: int = Field(
        ge=1,
        description="items of a user's history that belong to each vector, the nearest "
        "first",
    )
    recommended: int = Field(
        ge=1,
        description="unseen items that belong to each vector, and held-out items",
    )


class Evaluation(Params):
    """What is measured, and against what."""

    dataset: str = Field(description="the data's name, for the report")
    cutoffs: Annotated[
        tuple[PositiveInt, ...],
        Rising,
        Field(min_length=1, description="the k of every figure @k"),
    ]
    headline: int = Field(description="the k, one of `cutoffs`, that is shown first")
    item_block: int = Field(
        ge=1, description="items scored at a time; more is faster and takes more memory"
    )
    ease: Ease
    intervals: Intervals
    slices: Slices
    interests: Interests

    @model_validator(mode="after")
    def _headline_is_a_cutoff(self) -> Self:
        if self.headline not in self.cutoffs:
            raise ValueError(
                f"evaluation.headline is {self.headline}, which is not one of the "
                f"cutoffs {list(self.cutoffs)}"
            )
        return self
