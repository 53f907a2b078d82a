"""Which features the two views of an item keep.

All items of a batch are masked alike: were each masked by itself, a view could be told
by what it lacks, and nothing need be learned about the items.

The patterns are those of Yao et al., with half of the features hidden as in
LibRecommender 1.5.2.

References:
    Yao et al., Self-supervised Learning for Large-scale Item Recommendations, CIKM
    2021, section 3.3.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from two_tower.types import IntArray

BoolArray = npt.NDArray[np.bool_]


class Masks(NamedTuple):
    """What either view keeps.

    Attributes:
        left: `[F]` bool, True where the feature is kept.
        right: `[F]` bool.
    """

    left: BoolArray
    right: BoolArray


class Pattern(Protocol):
    """How masks are drawn, one pair for a batch."""

    def __call__(self, can_hide: BoolArray, rng: np.random.Generator) -> Masks:
        """Return a pair of masks.

        Args:
            can_hide: `[F]` bool, False for features that both views always keep (the
                dense ones); H of them are True.
            rng: decides what is hidden.

        Raises:
            ValueError: if fewer than two features can be hidden.
        """


def random_masks(can_hide: BoolArray, rng: np.random.Generator) -> Masks:
    """Hide H // 2 features from either view, drawn apart (`rfm`)."""
    places, half = _places(can_hide)
    return Masks(
        _keep_all_but(rng.permutation(places)[:half], can_hide),
        _keep_all_but(rng.permutation(places)[:half], can_hide),
    )


def complementary_masks(can_hide: BoolArray, rng: np.random.Generator) -> Masks:
    """Hide H // 2 features from the left view, the others from the right."""
    places, half = _places(can_hide)
    return _complementary(rng.permutation(places)[:half], can_hide)


def correlated_masks(
    can_hide: BoolArray,
    rng: np.random.Generator,
    *,
    information: npt.NDArray[np.float64],
) -> Masks:
    """Hide features that tell of each other together (`cfm`).

    A seed feature is drawn. The H // 2 others that share most information with it are
    hidden from the left view, the seed and the rest from the right. So neither view
    can be guessed from a feature that the other has nearly the same of. (In the paper
    the seed is hidden with its partners; of two features that would hide both.)

    Args:
        can_hide: as in `Pattern`.
        rng: as in `Pattern`.
        information: `[H, H]` float64, mutual information of the features that can be
            hidden, in their order; its diagonal is not read. Of equal ones the later
            feature is taken.

    Raises:
        ValueError: if `information` is not of the features that can be hidden.
    """
    places, half = _places(can_hide)
    if information.shape != (len(places), len(places)):
        raise ValueError(
            f"the mutual information has shape {information.shape}, but "
            f"{len(places)} features can be hidden; it must be of just those"
        )
    seed = rng.integers(len(places))
    partners = np.delete(np.arange(len(places)), seed)
    order = np.argsort(information[seed, partners], kind="stable")
    return _complementary(places[partners[order[-half:]]], can_hide)


def _places(can_hide: BoolArray) -> tuple[npt.NDArray[np.intp], int]:
    places = np.flatnonzero(can_hide)
    if len(places) < 2:  # noqa: PLR2004 (one to hide, one to keep)
        raise ValueError(
            f"self-supervision hides some features of an item and keeps others, but "
            f"only {len(places)} of {len(can_hide)} can be hidden; it needs two or "
            "more, the id included, that are not dense"
        )
    return places, len(places) // 2


def _keep_all_but(hidden: npt.NDArray[np.intp], can_hide: BoolArray) -> BoolArray:
    kept = np.ones_like(can_hide)
    kept[hidden] = False
    return kept


def _complementary(hidden: npt.NDArray[np.intp], can_hide: BoolArray) -> Masks:
    left = _keep_all_but(hidden, can_hide)
    return Masks(left, ~(left & can_hide))


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
