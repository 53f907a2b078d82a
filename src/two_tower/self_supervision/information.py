"""How much the features of items tell of each other."""

from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from two_tower.types import PADDING

Symbols = npt.NDArray[np.int64]


def mutual_information(
    columns: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Return the mutual information of each pair of columns, in nats.

    Σ_{a,b} p(a, b) · log( p(a, b) / (p(a) · p(b)) ), with frequencies for p.

    Args:
        columns: `[n, F]` int, an item's symbol of each feature; missing is a symbol as
            any other.
        counts: `[n]` int, how often each item is counted; not all 0.

    Returns:
        `[F, F]` float64, symmetric, 0 or more; a feature's own entropy on the
        diagonal.
    """
    seen = counts > 0
    shares = counts[seen] / counts[seen].sum()
    symbols = [np.unique(column, return_inverse=True)[1] for column in columns[seen].T]
    found = np.zeros((len(symbols), len(symbols)))
    for one, other in combinations_with_replacement(range(len(symbols)), 2):
        found[one, other] = _of_pair(symbols[one], symbols[other], shares)
        found[other, one] = found[one, other]
    return found


def _of_pair(one: Symbols, other: Symbols, shares: npt.NDArray[np.float64]) -> float:
    n_others = int(other.max()) + 1
    pairs, pair = np.unique(one * n_others + other, return_inverse=True)
    joint = np.bincount(pair, shares)
    of_one = np.bincount(one, shares)[pairs // n_others]
    of_other = np.bincount(other, shares)[pairs % n_others]
    return max(float(joint @ np.log(joint / (of_one * of_other))), 0.0)


def set_symbols(sets: npt.NDArray[np.integer]) -> Symbols:
    """Return a symbol for each distinct set: `[n]` int64.

    Args:
        sets: `[n, width]` int, ids in any order, any number of times, `PADDING`
            where there are fewer.
    """
    ordered = np.sort(sets, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = PADDING
    _, symbols = np.unique(np.sort(ordered, axis=1), axis=0, return_inverse=True)
    return symbols.ravel().astype(np.int64)
