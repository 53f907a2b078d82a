"""The items of a batch's self-supervised term, and two views of each."""

from typing import NamedTuple

import numpy as np

from two_tower.self_supervision.masks import BoolArray, Pattern
from two_tower.types import IntArray


class Views(NamedTuple):
    """Two incomplete views of the same items.

    Attributes:
        items: `[S]` int32 dense ids.
        left: `[S, F]` bool, True where the feature is kept.
        right: `[S, F]` bool.
    """

    items: IntArray
    left: BoolArray
    right: BoolArray


def draw_views(
    ids: IntArray,
    size: int,
    can_hide: BoolArray,
    pattern: Pattern,
    rng: np.random.Generator,
) -> Views:
    """Return items drawn uniformly from the catalogue, and their views.

    Popular items are no likelier than others, unlike the items of interactions: rare
    ones are whom content must speak for.

    Args:
        ids: `[N]` int32, the dense ids to draw from.
        size: S, how many; each item at most once, unless there are fewer than S.
        can_hide: `[F]` bool, which features may be hidden.
        pattern: draws the masks.
        rng: what is drawn with.
    """
    items = rng.choice(ids, size, replace=size > len(ids))
    left, right = pattern(can_hide, rng)
    return Views(items, np.tile(left, (size, 1)), np.tile(right, (size, 1)))
