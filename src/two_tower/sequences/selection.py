"""Which interactions count, and in which order each user made them."""

from typing import Literal

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import draw
from two_tower.types import Repeats, Ties


def selection_steps(
    interactions: ir.Table,
    *,
    min_rating: float | None,
    repeats: Repeats,
    min_item_interactions: int,
    min_user_interactions: int,
) -> dict[str, ir.Table]:
    """Return what is left after each step, in order; the last is what is kept.

    The steps follow one another once: users dropped at the end may take an item below
    its minimum again.

    Args:
        interactions: `event_id` (int64, unique, the order in the file), `user_id`,
            `item_id`, `timestamp` (int64, seconds), `rating` (float32 or null).
        min_rating: lowest rating of a positive; rows without a rating are none then.
        repeats: which of a user's interactions with one item are kept.
        min_item_interactions: of the positives, 1 and above.
        min_user_interactions: of what is left then, 1 and above.

    Returns:
        Name of the step → its table, with the columns of `interactions`.
    """
    read = interactions
    positive = read if min_rating is None else read.filter(_.rating >= min_rating)
    single = positive if repeats == "all" else _one_per_pair(positive, repeats)
    of_items = _frequent(single, "item_id", min_item_interactions)
    of_users = _frequent(of_items, "user_id", min_user_interactions)
    return {
        "read": read,
        "positive": positive,
        "without repeats": single,
        "of items with enough": of_items,
        "of users with enough": of_users,
    }


def _one_per_pair(interactions: ir.Table, which: Literal["first", "last"]) -> ir.Table:
    in_time = [interactions.timestamp, interactions.event_id]
    order = in_time if which == "first" else [ibis.desc(column) for column in in_time]
    place = ibis.row_number().over(group_by=["user_id", "item_id"], order_by=order)
    return interactions.mutate(_place=place).filter(_["_place"] == 0).drop("_place")


def _frequent(interactions: ir.Table, column: str, minimum: int) -> ir.Table:
    if minimum == 1:
        return interactions
    count = interactions.event_id.count().over(group_by=column)
    return (
        interactions.mutate(_count=count).filter(_["_count"] >= minimum).drop("_count")
    )


def number_positions(interactions: ir.Table, *, ties: Ties, seed: int) -> ir.Table:
    """Return the interactions with `position`, from 0 with each user's oldest.

    Args:
        interactions: as in `selection_steps`.
        ties: what decides within a second: the order in the file, or a draw.
        seed: of the draw.

    Returns:
        The columns of `interactions` and `position` (int32), ordered by user and
        position.
    """
    order = [interactions.timestamp, interactions.event_id]
    if ties == "shuffled":
        order.insert(1, draw(interactions.event_id, seed=seed, purpose="ties"))
    place = ibis.row_number().over(group_by="user_id", order_by=order)
    numbered = interactions.mutate(position=place.cast("int32"))
    return numbered.order_by("user_id", "position")
