"""A feature kind: from the raw column of a feature to what a tower reads.

Raw values of a feature are a table with one row per item or user: `index` (int32, item
or user index), `n_train` (int64, its training interactions; 0: cold) and `value`, the
declared column, null where it is missing. All statistics come from rows with `n_train`
above 0.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis import _
from pydantic import Field, model_validator

from two_tower.params import Params
from two_tower.types import OUT_OF_VOCABULARY, JsonObject


class FeatureKind(Params, ABC):
    """Options and encoding of one kind of feature.

    A kind is a subclass with `kind: Literal[<name>]` and a line in `registry`. The type
    of its encoded column says how a tower reads it: int32 is one id (0 missing, 1 out
    of vocabulary), array<int32> several ids, float32 a number (0 missing).
    """

    column_type: ClassVar[str]
    """What messages call the type of column that the kind reads."""

    unread: ClassVar[tuple[str, ...]] = ("prefix",)
    """Options that the kind does not read; they keep their defaults."""

    # A declaration names only the options that it changes, hence the defaults.
    kind: str
    column: str | None = Field(
        default=None, description="column it is read from; null: the feature's name"
    )
    min_count: int = Field(
        default=1,
        ge=1,
        description="minimum number of training items (users) with a value in "
        "the vocabulary; rarer values are out of vocabulary",
    )
    prefix: int | None = Field(
        default=None, ge=1, description="characters kept of a value; null: all"
    )
    opt_in: bool = Field(
        default=False, description="read only by towers whose `features` set it to true"
    )

    @model_validator(mode="after")
    def _unread_options_are_not_set(self) -> Self:
        fields = type(self).model_fields
        for name in self.unread:
            value = getattr(self, name)
            if value != fields[name].default:
                raise ValueError(
                    f"{name} is {value}, but a feature of kind {self.kind!r} does not "
                    f"read it; remove {name}, or choose another kind"
                )
        return self

    def source_column(self, name: str) -> str:
        """Return the column that the feature called `name` is read from."""
        return self.column or name

    def meaning(self, name: str) -> JsonObject:
        """Return the options that decide which ids the raw values get.

        A kind whose own options decide it too adds them.
        """
        return {
            "kind": self.kind,
            "column": self.source_column(name),
            "prefix": self.prefix,
        }

    @classmethod
    @abstractmethod
    def reads(cls, dtype: dt.DataType) -> bool:
        """Return whether the kind reads columns of a type."""

    @abstractmethod
    def fit(self, raw: ir.Table, deployed: Mapping[str, Any] | None) -> JsonObject:
        """Return the statistics that encoding needs, for the feature schema.

        Args:
            raw: raw values of the feature.
            deployed: the feature's schema to grow from: entities keep their encoding.
        """

    @abstractmethod
    def encode(
        self, raw: ir.Table, vocabulary: ir.Table, schema: Mapping[str, Any]
    ) -> ir.Table:
        """Return `index` and `encoded`; missing values are null or have no row.

        Args:
            raw: raw values of the feature.
            vocabulary: `value` (string) and `id` (int32) of the feature.
            schema: the feature's schema, with the statistics of `fit`.
        """

    @abstractmethod
    def find_unseen(
        self, raw: pa.ChunkedArray, encoded: np.ndarray, schema: Mapping[str, Any]
    ) -> npt.NDArray[np.bool_]:
        """Return `[R]` bool, rows with a value out of vocabulary.

        Args:
            raw: R values of the declared column.
            encoded: `[R, width]` int32 or float32, the same values encoded.
            schema: the feature's schema.
        """


class VocabularyFeature(FeatureKind):
    """A kind whose values get ids from the feature vocabulary."""

    is_multi_valued: ClassVar[bool] = False
    """Whether a row may have several ids."""

    @abstractmethod
    def split(self, column: ir.Column) -> ir.ArrayColumn:
        """Return the single values of each row, array<string>."""

    def pairs(self, raw: ir.Table) -> ir.Table:
        """Return `index` and `value` (string), each pair once; blank values left out.

        Args:
            raw: raw values of the feature.
        """
        rows = raw.select("index", value=self.split(raw["value"])).unnest("value")
        return rows.filter(_.value.notnull() & (_.value != "")).distinct()

    def values(self, raw: ir.Table, schema: Mapping[str, Any]) -> ir.Table:
        """Return `index` and `value`, the entries of the vocabulary that a row has.

        Args:
            raw: raw values of the feature.
            schema: at least the statistics of `fit`.
        """
        return self.pairs(raw)

    def fit(self, raw: ir.Table, deployed: Mapping[str, Any] | None) -> JsonObject:
        return {}

    def encode(
        self, raw: ir.Table, vocabulary: ir.Table, schema: Mapping[str, Any]
    ) -> ir.Table:
        values = self.values(raw, schema)
        joined = values.left_join(vocabulary.select("value", "id"), "value")
        ids = joined.select("index", id=_.id.fill_null(OUT_OF_VOCABULARY).cast("int32"))
        if not self.is_multi_valued:
            return ids.group_by("index").agg(encoded=_.id.max())
        return ids.distinct().group_by("index").agg(encoded=_.id.collect().sort())

    def find_unseen(
        self, raw: pa.ChunkedArray, encoded: np.ndarray, schema: Mapping[str, Any]
    ) -> npt.NDArray[np.bool_]:
        unseen: npt.NDArray[np.bool_] = (encoded == OUT_OF_VOCABULARY).any(axis=1)
        return unseen


class ListFeature(VocabularyFeature):
    """A kind that reads a list of values."""

    column_type: ClassVar[str] = "a list"

    @classmethod
    def reads(cls, dtype: dt.DataType) -> bool:
        return bool(dtype.is_array())

    def split(self, column: ir.Column) -> ir.ArrayColumn:
        return column.cast("array<string>")
