"""How much the items' features tell of each other."""

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis import _

from two_tower.ragged import Ragged
from two_tower.self_supervision.information import mutual_information, set_symbols
from two_tower.types import ID, JsonObject


def feature_information(
    item_features: ir.Table, item_vocabulary: ir.Table
) -> JsonObject:
    """Return the mutual information of each pair of features, over training.

    An item counts as often as it is trained on. Dense features have no symbols and
    stay out; a set of values is one symbol.

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


def _symbols(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    if not pa.types.is_list(column.type):
        return np.asarray(column, np.int64)
    sets = Ragged.from_arrow(column)
    return set_symbols(sets.pad(max(sets.lengths, default=0)))
