"""Features that come with a request, in place of those that are stored."""

from collections.abc import Collection, Mapping
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from two_tower.ragged import Ragged
from two_tower.retrieval.lookup import NAMED_IN_ERRORS
from two_tower.sequences.declared import DeclaredFeature
from two_tower.sequences.feature_codes import encode_features
from two_tower.sequences.features import with_columns
from two_tower.serving.vocabularies import Entity, Vocabularies
from two_tower.types import OUT_OF_VOCABULARY


def encode_values(
    rows: pa.Table,
    vocabularies: Vocabularies,
    entity: Entity,
    names: Collection[str],
    *,
    strict: bool,
) -> dict[str, np.ndarray]:
    """Return raw values as the numbers that the towers read.

    They are encoded by the same expressions as for training: cut into words, cut to a
    prefix, looked up, standardised.

    Args:
        rows: R rows of the columns that features are read from, any of them.
        vocabularies: what the model knows.
        entity: whose features they are.
        names: the features that the towers read.
        strict: refuse a value that training does not know; otherwise it counts as any
            unknown one.

    Returns:
        Name of the feature → `[R, width]` int32 ids or float32 numbers, for the
        features whose column is there; null is a missing value.

    Raises:
        ValueError: a column that the towers read no feature from, one of a type that
            its feature can't take, or (`strict`) an unknown value.
    """
    every = vocabularies.declared.of(entity)
    declared = {name: every[name] for name in names}
    given = _given(rows, declared, entity)
    encoded = _encode(rows, vocabularies, entity, given)
    if strict:
        for name, one in given.items():
            raw, about = rows[one.column or name], vocabularies.schema[entity][name]
            _require_known(raw, feature_rows(encoded[name]), name, about)
    return {name: feature_rows(encoded[name]) for name in given}


def feature_rows(column: pa.ChunkedArray, width: int = 1) -> np.ndarray:
    """Return a column of a feature as `[R, width]`, wider if a list is longer.

    Args:
        column: int32 ids, float32 numbers or lists of int32 ids.
        width: the least width; rows with fewer ids end in zeros.
    """
    if not pa.types.is_list(column.type):
        return np.asarray(column)[:, np.newaxis]
    lists = Ragged.from_arrow(column)
    return lists.pad(max(int(lists.lengths.max(initial=0)), width))


def _given(
    rows: pa.Table, declared: Mapping[str, DeclaredFeature], entity: Entity
) -> dict[str, DeclaredFeature]:
    """Return the features whose column is there."""
    readers = {one.column or name for name, one in declared.items()}
    if unread := sorted(set(rows.column_names) - readers):
        raise ValueError(
            f"no {entity} feature is read from {unread[:NAMED_IN_ERRORS]}; the towers "
            f"read the columns {sorted(readers)}; leave others out, or train with a "
            "profile that has them"
        )
    return {
        name: one
        for name, one in declared.items()
        if (one.column or name) in rows.column_names
    }


def _encode(
    rows: pa.Table,
    vocabularies: Vocabularies,
    entity: Entity,
    given: Mapping[str, DeclaredFeature],
) -> pa.Table:
    place = pa.array(np.arange(rows.num_rows, dtype=np.int32))
    zero = pa.array(np.zeros(rows.num_rows, np.int64))
    asked = ibis.memtable(
        pa.table({entity: place, f"{entity}_id": place, "n_train": zero})
    )
    table = ibis.memtable(rows.append_column(f"{entity}_id", place))
    return encode_features(
        with_columns(asked, entity, table, given),
        entity,
        ibis.memtable(vocabularies.values),
        given,
        vocabularies.schema[entity],
    ).to_pyarrow()


def _require_known(
    raw: pa.ChunkedArray, ids: np.ndarray, name: str, about: Mapping[str, Any]
) -> None:
    if ids.dtype != np.int32:
        return  # any number is known
    is_unknown = (ids == OUT_OF_VOCABULARY).any(axis=1)
    if "counts" in about:  # whose ids leave out what training does not know
        is_unknown |= [
            _has_others(row or (), about["counts"]) for row in raw.to_pylist()
        ]
    rows = np.flatnonzero(is_unknown)
    if len(rows):
        some = raw.take(pa.array(rows[:NAMED_IN_ERRORS])).to_pylist()
        raise ValueError(
            f"{len(rows)} of {len(ids)} values of {name} hold what training does not "
            f"know (first: {some}); leave them out, ask without strict, or retrain"
        )


def _has_others(values: Collection[Any], known: Collection[str]) -> bool:
    """Return whether any value is not among those that training knows."""
    given = {str(value) for value in values if value is not None}
    return not given <= {*known, ""}
