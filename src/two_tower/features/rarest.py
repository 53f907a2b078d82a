"""The feature kind that reads the rarest value of a list."""

from collections.abc import Mapping
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis import _

from two_tower.features.base import ListFeature
from two_tower.types import JsonObject


class Rarest(ListFeature):
    """The value of a list that the fewest training items (users) have.

    Ties go to the first value in order. Values that training lacks are read only where
    the list has no others. `min_count` counts rows whose rarest value it is.
    """

    kind: Literal["rarest"] = "rarest"

    def fit(self, raw: ir.Table, deployed: Mapping[str, Any] | None) -> JsonObject:
        """Return `counts`, value → number of training rows that have it.

        Deployed values keep their counts. New ones count above the greatest of them, so
        that no row's rarest value changes when the vocabulary grows.
        """
        pairs = self.pairs(raw.filter(_.n_train > 0))
        table = pairs.group_by("value").agg(count=_.count()).to_pyarrow()
        values, numbers = table["value"].to_pylist(), table["count"].to_pylist()
        earlier = {} if deployed is None else deployed["counts"]
        greatest = max(earlier.values(), default=0)
        counts = {
            value: number + greatest
            for value, number in zip(values, numbers, strict=True)
        }
        return {"counts": dict(sorted((counts | earlier).items()))}

    def values(self, raw: ir.Table, schema: Mapping[str, Any]) -> ir.Table:
        counts = schema["counts"]
        columns = {
            "value": pa.array(counts.keys(), pa.string()),
            "count": pa.array(counts.values(), pa.int64()),
        }
        pairs = self.pairs(raw)
        counted = pairs.left_join(ibis.memtable(pa.table(columns)), "value").select(
            "index", "value", "count"
        )
        # Explicit, because engines sort nulls to different ends.
        order = [counted["count"].isnull(), counted["count"], counted["value"]]
        rank = ibis.row_number().over(group_by="index", order_by=order)
        return (
            counted.mutate(_rank=rank).filter(_["_rank"] == 0).select("index", "value")
        )

    def find_unseen(
        self, raw: pa.ChunkedArray, encoded: np.ndarray, schema: Mapping[str, Any]
    ) -> npt.NDArray[np.bool_]:
        # A list with other values too still gets the id of a trained one.
        trained = {*schema["counts"], ""}
        lists = [
            {str(value) for value in row or () if value is not None}
            for row in raw.to_pylist()
        ]
        unseen = super().find_unseen(raw, encoded, schema)
        unseen |= np.array([not one <= trained for one in lists], bool)
        return unseen
