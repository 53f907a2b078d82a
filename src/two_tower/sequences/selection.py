"""Selection of interactions, and their order in each user's history."""

from typing import Final, Literal

import ibis
import ibis.expr.types as ir
from ibis import _
from pydantic import Field

from two_tower.params import Params
from two_tower.sequences.expressions import random_key

READ: Final = "read"
POSITIVE: Final = "positive"
SINGLE: Final = "without repeats"
OF_ITEMS: Final = "of items with enough"
OF_USERS: Final = "of users with enough"

PARAMETERS: Final = {
    POSITIVE: ("min_rating", "all ratings are lower, or missing"),
    OF_ITEMS: ("min_item_interactions", "no item has as many"),
    OF_USERS: ("min_user_interactions", "no user has as many"),
}
"""Step that can leave nothing → its parameter, and what that means for the data."""


class Selection(Params):
    """Which interactions are kept."""

    min_rating: float | None = Field(
        description="minimum rating of a positive; null: all, rated or not"
    )
    repeats: Literal["all", "first", "last"] = Field(
        description="which of a user's interactions with one item are kept; without "
        "times, first and last are those of the file"
    )
    min_item_interactions: int = Field(
        ge=1, description="items with fewer interactions are dropped"
    )
    min_user_interactions: int = Field(
        ge=1, description="users with fewer are dropped, after the items"
    )

    def steps(self, interactions: ir.Table) -> dict[str, ir.Table]:
        """Return the interactions after each step of the selection; the last are kept.

        Each step runs once. Dropping users at the end may take an item below its
        minimum again.

        Args:
            interactions: `event_id` (int64, unique, the order in the file), `user_id`,
                `item_id`, `timestamp` (int64, seconds), `rating` (float32 or null).

        Returns:
            Name of the step → its table, with the columns of `interactions`.
        """
        positive = interactions
        if self.min_rating is not None:
            positive = positive.filter(_.rating >= self.min_rating)
        single = self._without_repeats(positive)
        of_items = _frequent(single, "item_id", self.min_item_interactions)
        of_users = _frequent(of_items, "user_id", self.min_user_interactions)
        return {
            READ: interactions,
            POSITIVE: positive,
            SINGLE: single,
            OF_ITEMS: of_items,
            OF_USERS: of_users,
        }

    def require_rows(self, interactions: ir.Table) -> None:
        """Refuse a selection that leaves no interaction.

        Args:
            interactions: with the columns that `steps` reads.

        Raises:
            ValueError: naming the step that leaves none of the interactions.
        """
        steps = self.steps(interactions)
        *_, kept = steps.values()
        if _count(kept):
            return
        n_before = 0
        for step, table in steps.items():
            n = _count(table)
            if not n:
                raise ValueError(self._refuse(step, n_before))
            n_before = n

    def _refuse(self, step: str, n_before: int) -> str:
        """Return the message for a step that leaves none of `n_before` interactions."""
        if step == READ:
            return "there are no interactions: the table that ingestion read has no row"
        name, meaning = PARAMETERS[step]
        value = getattr(self, name)
        return (
            f"sequencing.selection.{name}: {value} leaves none of {n_before} "
            f"interactions: {meaning}. Set sequencing.selection.{name} lower"
        )

    def _without_repeats(self, interactions: ir.Table) -> ir.Table:
        if self.repeats == "all":
            return interactions
        order = [interactions.timestamp, interactions.event_id]
        if self.repeats == "last":
            order = [ibis.desc(column) for column in order]
        rank = ibis.row_number().over(group_by=["user_id", "item_id"], order_by=order)
        return interactions.mutate(_rank=rank).filter(_["_rank"] == 0).drop("_rank")


def _count(table: ir.Table) -> int:
    return int(table.count().execute())


def _frequent(interactions: ir.Table, column: str, minimum: int) -> ir.Table:
    if minimum == 1:
        return interactions
    count = interactions.event_id.count().over(group_by=column)
    return (
        interactions.mutate(_count=count).filter(_["_count"] >= minimum).drop("_count")
    )


class Order(Params):
    """The order of a user's interactions: by time, then as `ties` says."""

    ties: Literal["file_order", "shuffled"] = Field(
        description="order of one user's interactions with one timestamp: that of the "
        "file, or a random one"
    )
    without_times: Literal["file_order", "shuffled"] = Field(
        description="order of one user's interactions in data without times: a random "
        "one, or that of the file, for files whose rows are in order of time"
    )
    seed: int = Field(description="seed of a random order")

    def handling(self, *, timed: bool) -> Literal["file_order", "shuffled"]:
        """Return the order of interactions that times do not order.

        Args:
            timed: whether the data have times.
        """
        return self.ties if timed else self.without_times

    def number_positions(self, interactions: ir.Table, *, timed: bool) -> ir.Table:
        """Return the interactions with their position in the user's history.

        Args:
            interactions: with the columns that `Selection.steps` reads.
            timed: whether they have times.

        Returns:
            The columns of `interactions` and `position` (int32, from 0 with the user's
            oldest), ordered by user and position.
        """
        order = [interactions.timestamp, interactions.event_id]
        if self.handling(timed=timed) == "shuffled":
            key = random_key(interactions.event_id, seed=self.seed, purpose="ties")
            order.insert(1, key)
        position = ibis.row_number().over(group_by="user_id", order_by=order)
        numbered = interactions.mutate(position=position.cast("int32"))
        return numbered.order_by("user_id", "position")
