"""Selection of interactions, and their order in each user's history."""

from typing import Literal

import ibis
import ibis.expr.types as ir
from ibis import _
from pydantic import Field

from two_tower.params import Params
from two_tower.sequences.expressions import random_key


class Selection(Params):
    """Which interactions are kept."""

    min_rating: float | None = Field(
        description="minimum rating of a positive; null: all, rated or not"
    )
    repeats: Literal["all", "first", "last"] = Field(
        description="which of a user's interactions with one item are kept"
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
            "read": interactions,
            "positive": positive,
            "without repeats": single,
            "of items with enough": of_items,
            "of users with enough": of_users,
        }

    def _without_repeats(self, interactions: ir.Table) -> ir.Table:
        if self.repeats == "all":
            return interactions
        order = [interactions.timestamp, interactions.event_id]
        if self.repeats == "last":
            order = [ibis.desc(column) for column in order]
        rank = ibis.row_number().over(group_by=["user_id", "item_id"], order_by=order)
        return interactions.mutate(_rank=rank).filter(_["_rank"] == 0).drop("_rank")


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
    seed: int = Field(description="seed of the random order")

    def number_positions(self, interactions: ir.Table) -> ir.Table:
        """Return the interactions with their position in the user's history.

        Args:
            interactions: with the columns that `Selection.steps` reads.

        Returns:
            The columns of `interactions` and `position` (int32, from 0 with the user's
            oldest), ordered by user and position.
        """
        order = [interactions.timestamp, interactions.event_id]
        if self.ties == "shuffled":
            key = random_key(interactions.event_id, seed=self.seed, purpose="ties")
            order.insert(1, key)
        position = ibis.row_number().over(group_by="user_id", order_by=order)
        numbered = interactions.mutate(position=position.cast("int32"))
        return numbered.order_by("user_id", "position")
