"""Parameters of the evaluation pipeline, a group for each node's needs."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from two_tower.params import Params, Rows


def _rising(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(low >= high for low, high in pairwise(values)):
        raise ValueError(f"{list(values)} must rise, each number above the one before")
    return values


Rising = AfterValidator(_rising)


class Ranking(Params):
    """How items are ranked for a query."""

    cutoffs: Annotated[
        tuple[Rows, ...],
        Rising,
        Field(min_length=1, description="the k of every metric @k"),
    ]
    item_block: Rows = Field(
        description="items scored at a time; more is faster and takes more memory"
    )


class Ease(Params):
    """The EASE baseline."""

    l2: float = Field(gt=0, description="regularisation; larger damps rare items")
    max_items: int = Field(
        ge=0, description="a larger catalogue skips EASE, as metrics.json then says"
    )


class Baselines(Params):
    """Baselines beside the two-tower; popularity has no option."""

    ease: Ease


class Intervals(Params):
    """The bootstrap over queries."""

    resamples: int = Field(
        ge=1, le=1_000_000, description="number of resamples of the queries"
    )
    confidence: float = Field(
        gt=0, lt=1, description="share of resampled means inside an interval"
    )
    seed: int = Field(ge=0, description="seed of the resampling")


class Slices(Params):
    """Slices of queries and positives with metrics of their own."""

    history_lengths: Annotated[
        tuple[int, ...],
        Rising,
        Field(min_length=1, description="items; least length of each slice, from 0"),
    ]
    head: float = Field(
        ge=0,
        le=1,
        description="share of the training interactions in the head, the most popular "
        "items",
    )
    mid: float = Field(ge=0, le=1, description="share in the mid, the next items")

    @model_validator(mode="after")
    def _bounds_cover_everything(self) -> Self:
        if self.history_lengths[0] != 0:
            raise ValueError(
                f"slices.history_lengths starts at {self.history_lengths[0]}; it must "
                "start at 0, so that every query is in a slice"
            )
        if self.head + self.mid > 1:
            raise ValueError(
                f"slices.head + slices.mid is {self.head + self.mid}; shares of one "
                "whole can't exceed 1"
            )
        return self


class Report(Params):
    """Metrics in metrics.json, and the focus of log, report and plots."""

    dataset: str = Field(description="name of the data in the report")
    headline: int = Field(description="the k, one of ranking.cutoffs, shown first")
    intervals: Intervals
    slices: Slices


class Interests(Params):
    """Sample users whose vectors the report describes by item titles."""

    users: int = Field(
        ge=0, le=1_000, description="evenly spread over the test queries"
    )
    history: int = Field(
        ge=1, le=1_000, description="items of the history per vector, nearest first"
    )
    recommended: int = Field(
        ge=1,
        le=1_000,
        description="unseen items per vector; also held-out items per user",
    )
