"""Feature kinds whose vocabulary entries are read from the column alone."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis import _

from two_tower.features.base import ListFeature, VocabularyFeature

NOT_A_WORD: Final = r"[^\p{L}\p{N}]+"
YEAR_AT_END: Final = r"\s*\(\d{4}\)\s*$"
"""MovieLens ends titles in the year, which is a feature of its own."""

SET_SEPARATOR: Final = "|"
"""Joins the values of a set, as MovieLens joins genres."""
SET_ESCAPES: Final = {"%": "%25", SET_SEPARATOR: "%7C"}
"""Replacements within a value, "%" first, so that "a|b" differs from "a" and "b"."""


class Categorical(VocabularyFeature):
    """One value, or its first `prefix` characters."""

    column_type: ClassVar[str] = "a single value"
    unread: ClassVar[tuple[str, ...]] = ()

    kind: Literal["categorical"] = "categorical"

    @classmethod
    def reads(cls, dtype: dt.DataType) -> bool:
        return not dtype.is_nested()

    def split(self, column: ir.Column) -> ir.ArrayColumn:
        text = column.cast("string")
        return ibis.array(
            [text if self.prefix is None else text.substr(0, self.prefix)]
        )


class MultiValued(ListFeature):
    """All values of a list, each once."""

    is_multi_valued: ClassVar[bool] = True

    kind: Literal["multi_valued"] = "multi_valued"


class Words(VocabularyFeature):
    """The words of a text: runs of letters and digits in lower case, each once."""

    column_type: ClassVar[str] = "a text"
    is_multi_valued: ClassVar[bool] = True

    kind: Literal["words"] = "words"

    @classmethod
    def reads(cls, dtype: dt.DataType) -> bool:
        return bool(dtype.is_string())

    def split(self, column: ir.Column) -> ir.ArrayColumn:
        text = column.cast("string").lower().re_replace(YEAR_AT_END, "")
        return text.re_split(NOT_A_WORD)


class ValueSet(ListFeature):
    """The whole list as one value: its values in order, joined by "|".

    "|" and "%" within a value become "%7C" and "%25". `min_count` counts sets.
    """

    kind: Literal["value_set"] = "value_set"

    def values(self, raw: ir.Table, schema: Mapping[str, Any]) -> ir.Table:
        pairs = self.pairs(raw)
        value = pairs["value"]
        for plain, escaped in SET_ESCAPES.items():
            value = value.replace(plain, escaped)
        joined = _.value.collect().sort().join(SET_SEPARATOR)
        return pairs.mutate(value=value).group_by("index").agg(value=joined)
