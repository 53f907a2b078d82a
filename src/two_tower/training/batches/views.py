"""Views of items for self-supervision: items sampled, features masked.

All items of a batch are masked alike: with a mask for each item, a view could be
recognised by the features that it lacks, without learning anything about the item.

The patterns are those of Yao et al., with half of the features masked as in
LibRecommender 1.5.2.

References:
    Yao et al., Self-supervised Learning for Large-scale Item Recommendations, CIKM
    2021, section 3.3.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field

from two_tower.params import MOST_ROWS, Factor, Params
from two_tower.types import IntArray

BoolArray = npt.NDArray[np.bool_]


class ViewMasks(NamedTuple):
    """Features that each view keeps.

    Attributes:
        left: `[F]` bool, True where the feature is kept.
        right: `[F]` bool.
    """

    left: BoolArray
    right: BoolArray


class Pattern(Protocol):
    """Samples one pair of masks for a batch."""

    def __call__(self, maskable: BoolArray, rng: np.random.Generator) -> ViewMasks:
        """Return a pair of masks.

        Args:
            maskable: `[F]` bool, False for features that both views always keep (the
                dense ones); H of them are True.
            rng: source of all randomness.

        Raises:
            ValueError: if fewer than two features are maskable.
        """


def random_masks(maskable: BoolArray, rng: np.random.Generator) -> ViewMasks:
    """Mask H // 2 features of each view, sampled independently (`rfm`)."""
    features, half = _maskable_features(maskable)
    return ViewMasks(
        _keep_all_but(rng.permutation(features)[:half], maskable),
        _keep_all_but(rng.permutation(features)[:half], maskable),
    )


def complementary_masks(maskable: BoolArray, rng: np.random.Generator) -> ViewMasks:
    """Mask H // 2 features of the left view, the others of the right one."""
    features, half = _maskable_features(maskable)
    return _complementary(rng.permutation(features)[:half], maskable)


def correlated_masks(
    maskable: BoolArray,
    rng: np.random.Generator,
    *,
    information: npt.NDArray[np.float64],
) -> ViewMasks:
    """Mask features with high mutual information together (`cfm`).

    A seed feature is sampled. The H // 2 others that share most information with it are
    masked in the left view, the seed and the rest in the right. So neither view can be
    predicted from a near-duplicate of a feature in the other. (The paper masks the seed
    with its partners; with two features that would mask both.)

    Args:
        maskable: `[F]` bool, see `Pattern`.
        rng: source of all randomness.
        information: `[H, H]` float64, mutual information of the maskable features, in
            their order; its diagonal is not read. Ties go to the later feature.

    Raises:
        ValueError: if `information` is not of the maskable features.
    """
    features, half = _maskable_features(maskable)
    if information.shape != (len(features), len(features)):
        raise ValueError(
            f"the mutual information has shape {information.shape}, but "
            f"{len(features)} features are maskable; give it for exactly those"
        )
    seed = rng.integers(len(features))
    partners = np.delete(np.arange(len(features)), seed)
    order = np.argsort(information[seed, partners], kind="stable")
    return _complementary(features[partners[order[-half:]]], maskable)


def _maskable_features(maskable: BoolArray) -> tuple[npt.NDArray[np.intp], int]:
    features = np.flatnonzero(maskable)
    if len(features) < 2:  # noqa: PLR2004 (one to hide, one to keep)
        raise ValueError(
            f"self-supervision masks some features of an item and keeps others, but "
            f"only {len(features)} of {len(maskable)} are maskable; it needs two or "
            "more, the id included, that are not dense"
        )
    return features, len(features) // 2


def _keep_all_but(hidden: npt.NDArray[np.intp], maskable: BoolArray) -> BoolArray:
    kept = np.ones_like(maskable)
    kept[hidden] = False
    return kept


def _complementary(hidden: npt.NDArray[np.intp], maskable: BoolArray) -> ViewMasks:
    left = _keep_all_but(hidden, maskable)
    return ViewMasks(left, ~(left & maskable))


class Views(NamedTuple):
    """Two masked views of the same items.

    Attributes:
        items: `[S]` int32 item indices.
        left: `[S, F]` bool, True where the feature is kept.
        right: `[S, F]` bool.
    """

    items: IntArray
    left: BoolArray
    right: BoolArray


SampleViews: TypeAlias = Callable[[np.random.Generator], Views]


def sample_views(
    ids: IntArray,
    size: int,
    maskable: BoolArray,
    pattern: Pattern,
    rng: np.random.Generator,
) -> Views:
    """Return items sampled uniformly from the catalogue, and their views.

    Sampling is uniform because rare items depend most on their content.

    Args:
        ids: `[N]` int32 item indices to sample from.
        size: S, number of items; each at most once, unless there are fewer than S.
        maskable: `[F]` bool, see `Pattern`.
        pattern: samples the masks.
        rng: source of all randomness.
    """
    items = rng.choice(ids, size, replace=size > len(ids))
    left, right = pattern(maskable, rng)
    return Views(items, np.tile(left, (size, 1)), np.tile(right, (size, 1)))


class SelfSupervision(Params):
    """Contrastive loss of two views of an item, each with features masked."""

    kind: Literal["none", "rfm", "rfm-complementary", "cfm"] = Field(
        description="which features are masked: random, complementary, correlated"
    )
    alpha: Factor = Field(gt=0, description="weight beside the main loss")
    items: int = Field(ge=2, le=MOST_ROWS, description="items sampled for it in a step")

    def build(
        self,
        candidates: IntArray,
        is_maskable: Mapping[str, bool],
        information: Mapping[str, Mapping[str, float]],
    ) -> SampleViews | None:
        """Return the sampler of items and views, or None without self-supervision.

        Args:
            candidates: `[N]` int32 item indices to sample from.
            is_maskable: whether each part of the item tower, by name, can be masked.
            information: mutual information of parts, by their names, in nats.

        Raises:
            ValueError: if fewer than two parts are maskable.
        """
        if self.kind == "none":
            return None
        names = [name for name, maskable in is_maskable.items() if maskable]
        if len(names) < 2:  # noqa: PLR2004 (one to mask, one to keep)
            raise ValueError(
                f"training.self_supervision.kind is {self.kind!r}, but of the parts of "
                f"the item tower, {list(is_maskable)}, only {names} are maskable; it "
                "needs two or more, the id included, that are not dense: declare "
                "features in sequencing.features.item, or set kind to none"
            )
        maskable = np.array(list(is_maskable.values()))
        pattern = self._pattern(names, information)
        return partial(sample_views, candidates, self.items, maskable, pattern)

    def _pattern(
        self, names: list[str], information: Mapping[str, Mapping[str, float]]
    ) -> Pattern:
        if self.kind == "rfm":
            return random_masks
        if self.kind == "rfm-complementary":
            return complementary_masks
        matrix = [[information[one][other] for other in names] for one in names]
        return partial(correlated_masks, information=np.array(matrix))
