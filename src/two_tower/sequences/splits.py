"""Who learns from which interaction: the five ways to hold interactions out.

Each function adds `split` to the kept interactions:

- `train`: the towers are trained on it;
- `given`: known at the time of a query, but never trained on (new users only);
- `validation`, `test`: a target of a query.
"""

from typing import Final

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.expressions import draw

TRAIN: Final = "train"
GIVEN: Final = "given"
VALIDATION: Final = "validation"
TEST: Final = "test"

MIN_HELD_OUT: Final = 2
"""A user held out whole has one item given and one to find, at least."""


def known_splits(kind: str, target: str) -> tuple[str, ...]:
    """Return what a query may look back on.

    Args:
        kind: of the split, the name of a function here.
        target: split of the query's targets, `validation` or `test`.
    """
    if kind == "new_items" or target == VALIDATION:
        return (TRAIN, GIVEN)  # a query has never met a new item
    return (TRAIN, GIVEN, VALIDATION)


def leave_one_out(kept: ir.Table) -> ir.Table:
    """Hold out each user's last interaction for test, the one before for validation.

    A user with two has no validation target, one with a single interaction no target.

    Args:
        kept: `user_id`, `event_id`, `position` (int32, from 0 per user) and others.

    Returns:
        The columns of `kept` and `split`.
    """
    n = kept.event_id.count().over(group_by="user_id")
    from_end = n - 1 - kept.position
    return kept.mutate(
        split=ibis.cases(
            ((from_end == 0) & (n >= 2), TEST),  # noqa: PLR2004
            ((from_end == 1) & (n >= 3), VALIDATION),  # noqa: PLR2004
            else_=TRAIN,
        )
    )


def temporal(kept: ir.Table, *, validation: float | int, test: float | int) -> ir.Table:
    """Hold out all that happens from a moment on, the same for all users.

    Args:
        kept: `timestamp` (int64, seconds), `event_id` (unique) and others.
        validation: first second of the validation targets; see `cut_off`.
        test: first second of the test targets.

    Returns:
        The columns of `kept` and `split`.
    """
    return kept.mutate(
        split=ibis.cases(
            (kept.timestamp >= cut_off(kept, test), TEST),
            (kept.timestamp >= cut_off(kept, validation), VALIDATION),
            else_=TRAIN,
        )
    )


def cut_off(kept: ir.Table, at: float | int) -> ir.IntegerScalar:
    """Return the moment of a cut-off in seconds since 1970.

    Args:
        kept: `timestamp` (int64, seconds) and `event_id` (unique).
        at: an int is the moment itself; a float in (0, 1) is the share of the
            interactions, in time order, that comes before. Interactions of the
            same second stay together, after the cut.
    """
    if isinstance(at, int):
        return ibis.literal(at, "int64")
    in_time = kept.select(
        "timestamp",
        place=ibis.row_number().over(order_by=["timestamp", "event_id"]),
        n=kept.event_id.count().over(),
    )
    first_after = in_time.filter(_.place == (_.n * at).floor().cast("int64"))
    return first_after.select("timestamp").as_scalar()


def random(kept: ir.Table, *, validation: float, test: float, seed: int) -> ir.Table:
    """Hold out a random share of all interactions, whoever and whenever.

    Args:
        kept: `event_id` (unique) and others.
        validation: share for validation, 0 and above.
        test: share for test; both are met to the nearest whole interaction.
        seed: of the draw.

    Returns:
        The columns of `kept` and `split`.
    """
    key = draw(kept.event_id, seed=seed, purpose="random")
    drawn = kept.mutate(
        _place=ibis.row_number().over(order_by=[key, kept.event_id]),
        _n=kept.event_id.count().over(),
    )
    return drawn.mutate(split=_by_place(drawn, validation, test)).drop("_place", "_n")


def new_users(
    kept: ir.Table, *, validation: float, test: float, given: float, seed: int
) -> ir.Table:
    """Hold out users whole: part of their items is given, the others are targets.

    Args:
        kept: `user_id`, `event_id`, `position` (int32, from 0 per user) and others.
        validation: share, for validation, of the users with two interactions or more.
        test: share of these users for test.
        given: share of a held-out user's interactions, from the oldest on, that is
            given, rounded down; at least one is given and one is a target.
        seed: of the draw.

    Returns:
        The columns of `kept` and `split`.
    """
    users = kept.group_by("user_id").agg(_n_own=_.event_id.count())
    eligible = users.filter(_["_n_own"] >= MIN_HELD_OUT)
    key = draw(eligible.user_id, seed=seed, purpose="new_users")
    drawn = eligible.mutate(
        _place=ibis.row_number().over(order_by=[key, eligible.user_id]),
        _n=eligible.user_id.count().over(),
    )
    held_out = drawn.mutate(_role=_by_place(drawn, validation, test))
    rows = kept.left_join(held_out.select("user_id", "_n_own", "_role"), "user_id")
    n_given = (rows["_n_own"] * given).floor().clip(1, rows["_n_own"] - 1)
    split = ibis.cases(
        (rows["_role"].fill_null(TRAIN) == TRAIN, TRAIN),
        (rows.position < n_given, GIVEN),
        else_=rows["_role"],
    )
    return rows.select(*kept.columns, split=split)


def new_items(kept: ir.Table, *, validation: float, test: float, seed: int) -> ir.Table:
    """Hold out items whole: whoever met them, and whenever, meets them as targets.

    Args:
        kept: `item_id`, `event_id` (unique) and others.
        validation: share of the items for validation, 0 and above.
        test: share for test; both are met to the nearest whole item.
        seed: of the draw.

    Returns:
        The columns of `kept` and `split`.
    """
    items = kept.select("item_id").distinct()
    key = draw(items.item_id, seed=seed, purpose="new_items")
    drawn = items.mutate(
        _place=ibis.row_number().over(order_by=[key, items.item_id]),
        _n=items.item_id.count().over(),
    )
    roles = drawn.select("item_id", split=_by_place(drawn, validation, test))
    return kept.inner_join(roles, "item_id").select(*kept.columns, "split")


def _by_place(drawn: ir.Table, validation: float, test: float) -> ir.StringValue:
    """Name the role of each row: test first, then validation, then training."""
    n_test = (drawn["_n"] * test + 0.5).floor()
    n_validation = (drawn["_n"] * validation + 0.5).floor()
    return ibis.cases(
        (drawn["_place"] < n_test, TEST),
        (drawn["_place"] < n_test + n_validation, VALIDATION),
        else_=TRAIN,
    )
