"""Metrics beyond accuracy: coverage, novelty, popularity and concentration of lists."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from two_tower.types import Int64Array


def count_in_lists(
    lists: Int64Array, n_items: int, cutoffs: Sequence[int]
) -> Int64Array:
    """Return `[len(cutoffs), N]`, the number of lists with each item in the top k.

    Args:
        lists: `[b, K]` item rows, best first, padded with -1.
        n_items: N, the size of the catalogue.
        cutoffs: the k.
    """
    # Shifted by one, so that padding is counted at index 0, which is cut off.
    counts = [
        np.bincount(lists[:, :k].ravel() + 1, minlength=n_items + 1)[1:]
        for k in cutoffs
    ]
    return np.array(counts, np.int64)


def catalogue_metrics(exposure: Int64Array, n_train: Int64Array) -> dict[str, float]:
    """Return the metrics of all lists together.

    With c(i) the number of lists that hold item i, C the sum of all c(i), n(i) the
    training interactions of item i, T the sum of all n(i), and N the number of items:

    - `coverage`: share of the catalogue with c(i) > 0;
    - `novelty`: mean of -log2 p(i) over all C recommendations, in bits, where
      p(i) = (n(i) + 1) / (T + N); the added ones keep items without interactions
      finite;
    - `popularity`: mean popularity percentile over all C recommendations; 0.5 for
      uniformly random recommendations;
    - `gini`: Gini coefficient of c(i) over the catalogue; 0 if every item is
      recommended equally often, near 1 if only a few items are.

    Args:
        exposure: `[N]`, c(i).
        n_train: `[N]`, n(i).

    Raises:
        ValueError: if no list holds an item.

    References:
        Castells, Hurley and Vargas, Novelty and Diversity in Recommender Systems, in
        Recommender Systems Handbook, 2022 (self-information and Gini).
    """
    total = exposure.sum()
    if total == 0:
        raise ValueError(
            "no list holds an item: every query has seen the whole catalogue, or the "
            "index is empty; check test_examples and item_index"
        )
    n_items = len(n_train)
    share = (n_train + 1) / (n_train.sum() + n_items)
    order = np.arange(1, n_items + 1)
    gini = np.sum((2 * order - n_items - 1) * np.sort(exposure)) / (n_items * total)
    return {
        "coverage": float(np.mean(exposure > 0)),
        "novelty": float(np.average(-np.log2(share), weights=exposure)),
        "popularity": float(np.average(percentiles(n_train), weights=exposure)),
        "gini": float(gini),
    }


def percentiles(n_train: Int64Array) -> npt.NDArray[np.float64]:
    """Return `[N]` in (0, 1), the popularity percentile of each item.

    It is the share of the catalogue with fewer interactions, plus half the share with
    equally many.
    """
    ordered = np.sort(n_train)
    fewer = np.searchsorted(ordered, n_train, side="left")
    at_most = np.searchsorted(ordered, n_train, side="right")
    return (fewer + at_most) / (2 * len(n_train))
