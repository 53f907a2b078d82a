"""Figures of what is recommended: how much of the catalogue, how new, how popular."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def list_counts(
    lists: npt.NDArray[np.int64], n_items: int, cutoffs: Sequence[int]
) -> npt.NDArray[np.int64]:
    """Return how many lists hold each item among their first k, for each k.

    Args:
        lists: `[b, K]` item positions, best first, -1 after the last one.
        n_items: N, the size of the catalogue.
        cutoffs: the k.

    Returns:
        `[len(cutoffs), N]` int64.
    """
    # -1 counts into a place of its own at the front, which is cut off.
    shown = [
        np.bincount(lists[:, :k].ravel() + 1, minlength=n_items + 1)[1:]
        for k in cutoffs
    ]
    return np.array(shown, np.int64)


def catalogue_figures(
    shown: npt.NDArray[np.int64], n_train: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Return what the lists of all queries together look like.

    With c(i) the number of lists that hold item i, C their sum, n(i) the training
    interactions of item i, T their sum, and N the number of items:

    - `coverage`: share of the catalogue with c(i) > 0;
    - `novelty`: mean of -log2 p(i) over all C recommendations, in bits, where
      p(i) = (n(i) + 1) / (T + N), so that an item without interactions counts too;
    - `popularity`: mean popularity percentile over all C recommendations; an item's
      percentile is the share of the catalogue with fewer interactions plus half the
      share with as many, so that recommending uniformly at random gives 0.5;
    - `gini`: Gini coefficient of c(i) over the catalogue, 0 when every item is
      recommended equally often and near 1 when a few items are all there is.

    Args:
        shown: `[N]`, c(i).
        n_train: `[N]`, n(i).

    Raises:
        ValueError: if no list holds an item.

    References:
        Castells, Hurley and Vargas, Novelty and Diversity in Recommender Systems, in
        Recommender Systems Handbook, 2022 (self-information and Gini).
    """
    total = shown.sum()
    if total == 0:
        raise ValueError(
            "no list holds an item, so there is nothing to measure; every query has "
            "seen the whole catalogue, or the index is empty"
        )
    n_items = len(n_train)
    share = (n_train + 1) / (n_train.sum() + n_items)
    place = np.arange(1, n_items + 1)
    gini = np.sum((2 * place - n_items - 1) * np.sort(shown)) / (n_items * total)
    return {
        "coverage": float(np.mean(shown > 0)),
        "novelty": float(np.average(-np.log2(share), weights=shown)),
        "popularity": float(np.average(percentiles(n_train), weights=shown)),
        "gini": float(gini),
    }


def percentiles(n_train: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return `[N]` in (0, 1), each item's place by popularity; equals share theirs."""
    ordered = np.sort(n_train)
    fewer = np.searchsorted(ordered, n_train, side="left")
    at_most = np.searchsorted(ordered, n_train, side="right")
    return (fewer + at_most) / (2 * len(n_train))
