"""Features and events that a request brings along."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.features.base import FeatureKind
from two_tower.features.encoding import encode_features
from two_tower.features.vocabulary import with_columns
from two_tower.ragged import Ragged
from two_tower.recommend.ids import NAMED_IN_ERRORS
from two_tower.serving.vocabularies import Vocabularies
from two_tower.towers.events import (
    Events,
    flat_ratings,
    flat_timestamps,
    read_seconds,
)
from two_tower.types import Entity


def encode_values(
    rows: pa.Table,
    vocabularies: Vocabularies,
    entity: Entity,
    names: Collection[str],
    *,
    strict: bool,
) -> dict[str, np.ndarray]:
    """Return raw feature values encoded as the towers' inputs.

    The expressions of training encode them: words, prefixes, lookup, standardisation.

    Args:
        rows: R rows of any columns that features are read from.
        vocabularies: of the model.
        entity: item or user.
        names: the features that the towers read.
        strict: raise an error for a value out of vocabulary, which otherwise gets the
            out-of-vocabulary index.

    Returns:
        Name of a feature → `[R, width]` int32 indices or float32 numbers, for the
        features whose column is given; null is a missing value.

    Raises:
        ValueError: if no feature is read from a column, a column has a type that its
            feature can't take, or (`strict`) a value is out of vocabulary.
    """
    every = vocabularies.declared.of(entity)
    declared = {name: every[name] for name in names}
    given = _given(rows, declared, entity)
    _require_types(rows, given)
    encoded = _encode(rows, vocabularies, entity, given)
    if strict:
        for name, one in given.items():
            raw, indices = rows[one.source_column(name)], feature_rows(encoded[name])
            unseen = one.find_unseen(raw, indices, vocabularies.schema[entity][name])
            _require_in_vocabulary(raw, unseen, name)
    return {name: feature_rows(encoded[name]) for name in given}


def feature_rows(column: pa.ChunkedArray, width: int = 1) -> np.ndarray:
    """Return a column of a feature as `[R, ≥ width]`.

    Args:
        column: int32 indices, float32 numbers or lists of int32 indices.
        width: least width; shorter rows are padded with zeros.
    """
    if not pa.types.is_list(column.type):
        return np.asarray(column)[:, np.newaxis]
    lists = Ragged.from_arrow(column)
    return lists.pad(max(int(lists.lengths.max(initial=0)), width))


def _given(
    rows: pa.Table, declared: Mapping[str, FeatureKind], entity: Entity
) -> dict[str, FeatureKind]:
    """Return the declared features whose column is given."""
    readers = {one.source_column(name) for name, one in declared.items()}
    if unread := sorted(set(rows.column_names) - readers):
        raise ValueError(
            f"no {entity} feature is read from {unread[:NAMED_IN_ERRORS]}; the towers "
            f"read the columns {sorted(readers)}: leave others out, or train with a "
            "profile that has them"
        )
    return {
        name: one
        for name, one in declared.items()
        if one.source_column(name) in rows.column_names
    }


def _require_types(rows: pa.Table, given: Mapping[str, FeatureKind]) -> None:
    types = ibis.memtable(rows).schema()
    for name, one in given.items():
        column = one.source_column(name)
        dtype = types[column]
        if not (one.reads(dtype) or dtype.is_null()):
            raise ValueError(
                f"the column {column!r} of the features is {dtype}, but the feature "
                f"{name} reads {one.column_type}; give {one.column_type}"
            )


def _encode(
    rows: pa.Table,
    vocabularies: Vocabularies,
    entity: Entity,
    given: Mapping[str, FeatureKind],
) -> pa.Table:
    row = pa.array(np.arange(rows.num_rows, dtype=np.int32))
    zero = pa.array(np.zeros(rows.num_rows, np.int64))
    entities = ibis.memtable(
        pa.table({entity: row, f"{entity}_id": row, "n_train": zero})
    )
    table = ibis.memtable(rows.append_column(f"{entity}_id", row))
    return encode_features(
        with_columns(entities, entity, table, given),
        entity,
        ibis.memtable(vocabularies.values),
        given,
        vocabularies.schema[entity],
    ).to_pyarrow()


def _require_in_vocabulary(
    raw: pa.ChunkedArray, unseen: npt.NDArray[np.bool_], name: str
) -> None:
    rows = np.flatnonzero(unseen)
    if len(rows):
        examples = raw.take(pa.array(rows[:NAMED_IN_ERRORS])).to_pylist()
        raise ValueError(
            f"{len(rows)} of {len(unseen)} values of {name} are out of vocabulary "
            f"(first: {examples}): they, or values in them, are not in the training "
            "data. Leave them out, encode without `strict`, or retrain: kedro run "
            "--pipelines retrain"
        )


class RequestEvents(NamedTuple):
    """Times and ratings of R requests; None where no request has any.

    Attributes:
        timestamps: R lists, whole seconds since 1970 (UTC) of each history item; null
            for an unknown time.
        ratings: R lists of numbers, null for an item without a rating.
        asked_at: R whole seconds, the request time; null: the time of the newest item.
    """

    timestamps: pa.ListArray | None = None
    ratings: pa.ListArray | None = None
    asked_at: pa.Array | None = None


def read_events(histories: Ragged, given: RequestEvents) -> Events:
    """Return the events of R requests as towers read them.

    Args:
        histories: R rows of history items.
        given: times and ratings of these items.

    Raises:
        ValueError: if a list and its history differ in length, times are not whole
            seconds, or ratings are not numbers.
    """
    events = Events.unknown(histories)
    if given.timestamps is not None:
        _require_lengths(histories, given.timestamps, "timestamps")
        _require_seconds(given.timestamps.type.value_type, "timestamps")
        events = events._replace(timestamps=flat_timestamps(given.timestamps))
    if given.ratings is not None:
        _require_lengths(histories, given.ratings, "ratings")
        _require_numbers(given.ratings)
        events = events._replace(ratings=flat_ratings(given.ratings))
    if given.asked_at is not None:
        if len(given.asked_at) != len(histories):
            raise ValueError(
                f"asked_at has {len(given.asked_at)} entries for {len(histories)} "
                "requests; give one per request, null where it is unknown"
            )
        _require_seconds(given.asked_at.type, "asked_at")
        events = events._replace(asked_at=read_seconds(given.asked_at))
    return events


def list_lengths(lists: pa.ListArray) -> np.ndarray:
    """Return `[R]` int, the length of each list; 0 for null."""
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0))


def _require_lengths(histories: Ragged, lists: pa.ListArray, name: str) -> None:
    found, expected = list_lengths(lists), histories.lengths
    if len(found) != len(expected):
        raise ValueError(
            f"{name} has {len(found)} lists for {len(expected)} histories; give one "
            "list per history"
        )
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"{name} of request {row} has {found[row]} entries for {expected[row]} "
            "items; give one per item, null where it is unknown"
        )


def _require_seconds(found: Any, name: str) -> None:
    if not (pa.types.is_integer(found) or pa.types.is_null(found)):
        raise ValueError(
            f"{name} are of type {found}; give whole seconds since 1970 (UTC)"
        )


def _require_numbers(ratings: pa.ListArray) -> None:
    found = ratings.type.value_type
    is_number = pa.types.is_integer(found) or pa.types.is_floating(found)
    if not (is_number or pa.types.is_null(found)):
        raise ValueError(f"ratings are of type {found}; give numbers")
    is_finite = pc.is_finite(pc.list_flatten(ratings)) if is_number else None
    if is_finite is not None and not pc.all(is_finite, min_count=0).as_py():
        raise ValueError("ratings are not all finite; give null without a rating")
