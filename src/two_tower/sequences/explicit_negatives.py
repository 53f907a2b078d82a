"""Explicit negatives: items that a user rated low, for the training."""

import ibis
import ibis.expr.types as ir
from ibis import _
from pydantic import Field

from two_tower.params import Params
from two_tower.sequences.selection import Selection
from two_tower.sequences.splits import TRAIN
from two_tower.sequences.vocabularies import with_indices


class ExplicitNegatives(Params):
    """Which ratings are explicit negatives."""

    max_rating: float | None = Field(
        description="maximum rating of an explicit negative, below "
        "selection.min_rating; null: there are none"
    )

    def check_against(self, selection: Selection) -> None:
        """Refuse ratings that are a positive and an explicit negative at once.

        Raises:
            ValueError: `max_rating` isn't below `selection.min_rating`.
        """
        positive, negative = selection.min_rating, self.max_rating
        if negative is not None and (positive is None or positive <= negative):
            raise ValueError(
                f"sequencing.explicit_negatives.max_rating ({negative}) must be below "
                f"sequencing.selection.min_rating ({positive}; null makes every "
                "interaction a positive): a rating would be a positive and an explicit "
                "negative at once. Set min_rating above it, or max_rating to null"
            )

    def find(
        self,
        interactions: ir.Table,
        split_interactions: ir.Table,
        item_vocabulary: ir.Table,
        user_vocabulary: ir.Table,
        training_end: ir.IntegerScalar | None,
    ) -> ir.Table:
        """Collect the items that each user rated low before anything is held out.

        A low rating counts if it is older than all held-out interactions of its user,
        and if user and item are in the training. Items with a positive in the user's
        training are left out. Items whose only positive is held out stay: leaving them
        out would leak the target. In data without times every low rating counts.

        Args:
            interactions: all of them: `user_id`, `item_id`, `timestamp` (int64,
                seconds), `rating` (float32 or null).
            split_interactions: kept ones: `user_id`, `item_id`, `timestamp`, `split`.
            item_vocabulary: `item` (int32), `item_id`, `n_train`.
            user_vocabulary: `user` (int32), `user_id`, `n_train`.
            training_end: first second after the training of all users; None: the split
                has no such moment.

        Returns:
            One row per user with explicit negatives, by `user`: `user` (int32) and
            `items` (array<int32>, ascending, each once).
        """
        if self.max_rating is None:
            none = ibis.literal([], type="array<int32>")
            return user_vocabulary.select("user", items=none).limit(0)
        low = interactions.filter(_.rating <= self.max_rating)
        if training_end is not None:
            low = low.filter(_.timestamp < training_end)
        held_out = split_interactions.filter(_.split != TRAIN)
        first = held_out.group_by("user_id").agg(first=_.timestamp.min())
        timed = low.left_join(first, "user_id").select(*low.columns, "first")
        past = timed.filter(_["first"].isnull() | (_.timestamp < _["first"]))
        positives = split_interactions.filter(_.split == TRAIN)
        negatives = past.anti_join(positives, ["user_id", "item_id"])
        pairs = with_indices(
            negatives.select("user_id", "item_id").distinct(),
            item_vocabulary.filter(_.n_train > 0),
            user_vocabulary.filter(_.n_train > 0),
        )
        lists = pairs.group_by("user").agg(items=_["item"].collect().sort())
        return lists.order_by("user")
