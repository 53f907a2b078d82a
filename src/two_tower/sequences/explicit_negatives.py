"""What users said they explicit_negatives: explicit negatives of training."""

import ibis
import ibis.expr.types as ir
from ibis import _

from two_tower.sequences.splits import TRAIN
from two_tower.sequences.vocabularies import with_dense_ids


def find_explicit_negatives(
    interactions: ir.Table,
    split_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    *,
    max_rating: float,
    before: ir.IntegerScalar | None,
) -> ir.Table:
    """Collect which items each user rated low, as far as training may know.

    That is: before the first of the user's interactions that is held out, and of users
    and items that training knows. An item that the user's training also has as a
    positive is left out; one that only held-out interactions have is not, for its
    absence would give them away.

    Args:
        interactions: `user_id`, `item_id`, `timestamp` (int64, seconds), `rating`
            (float32 or null), whether kept or not.
        split_interactions: the kept ones: `user_id`, `item_id`, `timestamp`, `split`.
        item_vocabulary: `item` (int32), `item_id`, `n_train`.
        user_vocabulary: `user` (int32), `user_id`, `n_train`.
        max_rating: highest rating that counts as explicit_negatives.
        before: the moment (seconds) that ends the training of all users, where the
            split has one.

    Returns:
        One row per user with any, by `user`: `user` (int32) and `items`
        (array<int32>, ascending, each once).
    """
    low = interactions.filter(_.rating <= max_rating)
    if before is not None:
        low = low.filter(_.timestamp < before)
    held_out = split_interactions.filter(_.split != TRAIN)
    first = held_out.group_by("user_id").agg(first=_.timestamp.min())
    timed = low.left_join(first, "user_id").select(*low.columns, "first")
    past = timed.filter(_["first"].isnull() | (_.timestamp < _["first"]))
    positive = split_interactions.filter(_.split == TRAIN)
    explicit_negatives = past.anti_join(positive, ["user_id", "item_id"])
    pairs = with_dense_ids(
        explicit_negatives.select("user_id", "item_id").distinct(),
        item_vocabulary.filter(_.n_train > 0),
        user_vocabulary.filter(_.n_train > 0),
    )
    lists = pairs.group_by("user").agg(items=_["item"].collect().sort())
    return lists.order_by("user")


def no_explicit_negatives(user_vocabulary: ir.Table) -> ir.Table:
    """Return the table of `explicit_negatives` without a row."""
    none = ibis.literal([], type="array<int32>")
    return user_vocabulary.select("user", items=none).limit(0)
