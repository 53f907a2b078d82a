"""Features that come with a request, in place of those that are stored."""

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
from two_tower.serving.vocabularies import Entity, Vocabularies
from two_tower.towers.events import (
    Events,
    flat_ratings,
    flat_timestamps,
    read_seconds,
)


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
            raw, ids = rows[one.source_column(name)], feature_rows(encoded[name])
            unseen = one.find_unseen(raw, ids, vocabularies.schema[entity][name])
            _require_seen(raw, unseen, name)
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
    rows: pa.Table, declared: Mapping[str, FeatureKind], entity: Entity
) -> dict[str, FeatureKind]:
    """Return the features whose column is there."""
    readers = {one.source_column(name) for name, one in declared.items()}
    if unread := sorted(set(rows.column_names) - readers):
        raise ValueError(
            f"no {entity} feature is read from {unread[:NAMED_IN_ERRORS]}; the towers "
            f"read the columns {sorted(readers)}; leave others out, or train with a "
            "profile that has them"
        )
    return {
        name: one
        for name, one in declared.items()
        if one.source_column(name) in rows.column_names
    }


def _encode(
    rows: pa.Table,
    vocabularies: Vocabularies,
    entity: Entity,
    given: Mapping[str, FeatureKind],
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


def _require_seen(
    raw: pa.ChunkedArray, unseen: npt.NDArray[np.bool_], name: str
) -> None:
    rows = np.flatnonzero(unseen)
    if len(rows):
        some = raw.take(pa.array(rows[:NAMED_IN_ERRORS])).to_pylist()
        raise ValueError(
            f"{len(rows)} of {len(unseen)} values of {name} are out of vocabulary "
            f"(first: {some}): they, or values in them, are not in the training. Leave "
            "them out, encode without `strict`, or retrain: kedro run --pipelines "
            "retrain"
        )


class RequestEvents(NamedTuple):
    """What is known of R requests beside items and users; None where nothing is.

    Attributes:
        timestamps: R lists, the second since 1970 (UTC, a whole number) of each item
            of the history; null in a list is unknown.
        ratings: R lists of numbers, null for an item without a rating.
        asked_at: R seconds, when it is asked; null stands for the time of the newest
            item.
    """

    timestamps: pa.ListArray | None = None
    ratings: pa.ListArray | None = None
    asked_at: pa.Array | None = None


def read_events(histories: Ragged, given: RequestEvents) -> Events:
    """Return what comes with requests as towers read it.

    Args:
        histories: R rows, of as many values as the lists have.
        given: with the R requests.

    Raises:
        ValueError: if a list is of another length than its history, or holds no whole
            seconds or no numbers.
    """
    events = Events.unknown(histories)
    if given.timestamps is not None:
        _require_lengths(histories, given.timestamps, "timestamps")
        _require_seconds(given.timestamps.type.value_type, "timestamps")
        events = events._replace(timestamps=flat_timestamps(given.timestamps))
    if given.ratings is not None:
        _require_lengths(histories, given.ratings, "ratings")
        _require_numbers(given.ratings.type.value_type)
        events = events._replace(ratings=flat_ratings(given.ratings))
    if given.asked_at is not None:
        if len(given.asked_at) != len(histories):
            raise ValueError(
                f"asked_at has {len(given.asked_at)} entries for {len(histories)} "
                "requests; give one of each, null where it is unknown"
            )
        _require_seconds(given.asked_at.type, "asked_at")
        events = events._replace(asked_at=read_seconds(given.asked_at))
    return events


def list_lengths(lists: pa.ListArray) -> np.ndarray:
    """Return `[R]` int, how long each list is; null is an empty one."""
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0))


def _require_lengths(histories: Ragged, lists: pa.ListArray, name: str) -> None:
    found, expected = list_lengths(lists), histories.lengths
    if len(found) != len(expected):
        raise ValueError(
            f"{name} has {len(found)} lists for {len(expected)} histories; give one "
            "for each"
        )
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"{name} of request {row} has {found[row]} entries for {expected[row]} "
            "items; give one for each item, null where it is unknown"
        )


def _require_seconds(found: Any, name: str) -> None:
    if not (pa.types.is_integer(found) or pa.types.is_null(found)):
        raise ValueError(
            f"{name} are {found}; give whole seconds since 1970 (UTC), as the data have"
        )


def _require_numbers(found: Any) -> None:
    is_number = pa.types.is_integer(found) or pa.types.is_floating(found)
    if not (is_number or pa.types.is_null(found)):
        raise ValueError(f"ratings are {found}; give numbers")
