"""How much of exact search an index finds."""

from typing import Final

import numpy as np

from two_tower.retrieval.index import NOTHING, Found

TIE: Final = np.float32(1e-6)
"""Cosines nearer than this are one: float32 doesn't tell them apart."""


def measure_recall(found: Found, exact: Found) -> float:
    """Return recall@K: the share of the exact results that the index found, too.

    `mean_b |{found of b that are as near as the last exact one of b}| / |exact of b|`.
    An item as near as the last exact one counts although exact search, which had to
    stop at K, left it out: a tie is no miss.

    Args:
        found: `[B, K]` of the index, with exact scores.
        exact: `[B, K]` of exact search for the same queries; fewer than K items only
            where the catalogue has no more.

    Returns:
        A share in [0, 1]; 1 if there are no queries.

    References:
        Aumüller et al., ANN-Benchmarks, Information Systems 2020, section 3.
    """
    n_exact = (exact.positions != NOTHING).sum(axis=1)
    if not n_exact.any():
        return 1.0
    last = np.take_along_axis(exact.scores, n_exact[:, np.newaxis] - 1, axis=1)
    n_hits = (found.scores >= last - TIE).sum(axis=1)
    return float((np.minimum(n_hits, n_exact) / n_exact).mean())
