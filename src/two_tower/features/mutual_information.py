"""Mutual information between the features of items."""

from itertools import combinations_with_replacement

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis import _

from two_tower.ragged import Ragged
from two_tower.types import ID, PADDING, JsonObject

Symbols = npt.NDArray[np.int64]


def feature_information(
    item_features: ir.Table, item_vocabulary: ir.Table
) -> JsonObject:
    """Return the mutual information of item features over the training data.

    An item counts once per training interaction. A set of ids is one symbol. Numbers
    have no symbols and are left out.

    Args:
        item_features: `item` (int32) and the encoded features, as from
            `encode_features`.
        item_vocabulary: `item` and `n_train` (int64).

    Returns:
        `features` (the id, then the others in the order of the columns) and `matrix`,
        `[F][F]` in nats, each feature's own entropy on the diagonal.
    """
    counts = item_vocabulary.filter(_.n_train > 0).select("item", "n_train")
    trained = item_features.inner_join(counts, "item").order_by("item").to_pyarrow()
    symbols = {
        name: _symbols(trained[name])
        for name in trained.column_names
        if name != "n_train" and not pa.types.is_floating(trained[name].type)
    }
    matrix = mutual_information(
        np.stack(list(symbols.values()), axis=1), trained["n_train"].to_numpy()
    )
    names = [ID if name == "item" else name for name in symbols]
    return {"features": names, "matrix": matrix.tolist()}


def mutual_information(
    columns: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Return the mutual information of each pair of columns, in nats.

    Σ_{a,b} p(a, b) · log( p(a, b) / (p(a) · p(b)) ), with frequencies for p.

    Args:
        columns: `[n, F]` int, an item's symbol of each feature; missing values have a
            symbol too.
        counts: `[n]` int, how often each item counts; not all 0.

    Returns:
        `[F, F]` float64, symmetric, 0 or more; a feature's own entropy on the
        diagonal.
    """
    counted = counts > 0
    shares = counts[counted] / counts[counted].sum()
    symbols = [
        np.unique(column, return_inverse=True)[1] for column in columns[counted].T
    ]
    matrix = np.zeros((len(symbols), len(symbols)))
    for one, other in combinations_with_replacement(range(len(symbols)), 2):
        matrix[one, other] = _of_pair(symbols[one], symbols[other], shares)
        matrix[other, one] = matrix[one, other]
    return matrix


def _of_pair(one: Symbols, other: Symbols, shares: npt.NDArray[np.float64]) -> float:
    n_others = int(other.max()) + 1
    pairs, pair = np.unique(one * n_others + other, return_inverse=True)
    joint = np.bincount(pair, shares)
    of_one = np.bincount(one, shares)[pairs // n_others]
    of_other = np.bincount(other, shares)[pairs % n_others]
    return max(float(joint @ np.log(joint / (of_one * of_other))), 0.0)


def _symbols(column: pa.ChunkedArray) -> Symbols:
    if not pa.types.is_list(column.type):
        return np.asarray(column, np.int64)
    sets = Ragged.from_arrow(column)
    return set_symbols(sets.pad(max(sets.lengths, default=0)))


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
