"""The feature kind that reads a number."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis import _

from two_tower.features.base import FeatureKind
from two_tower.types import JsonObject


class Dense(FeatureKind):
    """A number, standardised by mean and standard deviation over the training data."""

    column_type: ClassVar[str] = "a number"
    unread: ClassVar[tuple[str, ...]] = ("prefix", "min_count")

    kind: Literal["dense"] = "dense"

    @classmethod
    def reads(cls, dtype: dt.DataType) -> bool:
        return bool(dtype.is_numeric() or dtype.is_boolean())

    def fit(self, raw: ir.Table, deployed: Mapping[str, Any] | None) -> JsonObject:
        """Return `mean` and `std`; deployed ones are kept."""
        if deployed is not None:
            return {"mean": deployed["mean"], "std": deployed["std"]}
        training = raw.filter((_.n_train > 0) & _.value.notnull()).order_by("index")
        # Summed in a fixed order: the last bits of an engine's own sum vary by thread.
        column = training.select(value=_.value.cast("float64")).to_pyarrow()["value"]
        numbers = column.to_numpy()
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            return {"mean": 0.0, "std": 1.0}
        return {"mean": float(numbers.mean()), "std": float(numbers.std()) or 1.0}

    def encode(
        self, raw: ir.Table, vocabulary: ir.Table, schema: Mapping[str, Any]
    ) -> ir.Table:
        number = raw["value"].cast("float64")
        is_finite = number.notnull() & ~number.isnan() & ~number.isinf()
        scaled = ((number - schema["mean"]) / schema["std"]).cast("float32")
        return raw.select(
            "index", encoded=is_finite.ifelse(scaled, ibis.null("float32"))
        )

    def find_unseen(
        self, raw: pa.ChunkedArray, encoded: np.ndarray, schema: Mapping[str, Any]
    ) -> npt.NDArray[np.bool_]:
        return np.zeros(len(encoded), bool)
