"""Raw values and events of a request, encoded as towers read them."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from tests.index.fabricate import ragged
from tests.serving.build import make_vocabularies, seconds, stars
from two_tower.features.registry import Features
from two_tower.serving.requests import RequestEvents, encode_values, read_events
from two_tower.towers.events import Events

# The vocabulary has cats (3 users), dogs (1) and eels (2), and two sets of them.
DECLARED = Features.model_validate(
    {
        "item": None,
        "user": {
            "favourite": {"kind": "rarest", "column": "likes"},
            "pets": {"kind": "value_set", "column": "likes"},
        },
    }
)
SCHEMA = {
    "favourite": {"kind": "rarest", "counts": {"cats": 3, "dogs": 1, "eels": 2}},
    "pets": {"kind": "value_set", "size": 4},
}
VALUES = [
    ("favourite", "cats", 2),
    ("favourite", "dogs", 3),
    ("favourite", "eels", 4),
    ("pets", "cats", 2),
    ("pets", "cats|dogs|eels", 3),
]


def encode(*lists, names=("favourite", "pets"), strict=False, dtype=None):
    """Return the indices of a request's `likes` in each feature."""
    features, values, ids = zip(*VALUES, strict=True)
    table = pa.table(
        {
            "entity": ["user"] * len(ids),
            "feature": features,
            "value": values,
            "id": pa.array(ids, pa.int32()),
            "count": pa.array([1] * len(ids), pa.int64()),
        }
    )
    vocabularies = replace(
        make_vocabularies(), declared=DECLARED, schema={"user": SCHEMA}, values=table
    )
    rows = pa.table({"likes": pa.array(lists, dtype or pa.list_(pa.string()))})
    found = encode_values(rows, vocabularies, "user", names, strict=strict)
    return [found[name].ravel().tolist() for name in names]


def test_the_rarest_value_is_by_training_counts():
    # In the request itself, dogs are the most frequent.
    lists = ["dogs", "cats"], ["dogs", "eels"], ["dogs"], ["eels", "cats"]
    assert encode(*lists, names=["favourite"]) == [[3, 3, 3, 4]]


def test_a_value_set_is_looked_up_as_a_whole():
    lists = ["eels", "dogs", "cats", "dogs"], ["cats"], ["dogs"]
    assert encode(*lists, names=["pets"]) == [[3, 2, 1]]


def test_lists_without_values_are_missing():
    assert encode([], None, [None]) == [[0, 0, 0], [0, 0, 0]]
    assert encode(None, dtype=pa.null(), strict=True) == [[0], [0]]


def test_the_rarest_value_skips_values_out_of_vocabulary():
    assert encode(["owls", "cats"], ["owls"], names=["favourite"]) == [[2, 1]]


# covers: L29
@pytest.mark.parametrize(
    ("lists", "name"),
    [
        ([["cats"], ["owls", "cats"]], "favourite"),
        ([["owls"], ["cats"]], "favourite"),
        ([["cats"], ["cats", "dogs"]], "pets"),
    ],
)
def test_a_strict_request_has_no_value_out_of_vocabulary(lists, name):
    encode(["cats"], ["dogs", "cats", "eels", None], strict=True)
    with pytest.raises(ValueError, match=rf"1 of 2 values of {name} .*s'\]\]\)"):
        encode(*lists, names=[name], strict=True)


def test_events_are_read_flat_with_unknown_ones_for_null():
    given = RequestEvents(seconds([5, None], [7]), stars([1, 2], [None]))
    events = read_events(ragged([2, 3], [4]), given)
    unknown = Events.unknown(ragged([2, 3], [4]))
    expected = [5, unknown.timestamps[0], 7]
    np.testing.assert_array_equal(events.timestamps, expected)
    np.testing.assert_array_equal(events.ratings, np.float32([1, 2, np.nan]))
    np.testing.assert_array_equal(events.asked_at, unknown.asked_at)


# covers: L29
@pytest.mark.parametrize(
    ("events", "message"),
    [
        (
            RequestEvents(timestamps=seconds([1, 2], [3])),
            "timestamps of request 1 has 1 entries for 2 items; give one per item",
        ),
        (RequestEvents(ratings=stars([1, 2])), "ratings has 1 lists for 2 histories"),
        (RequestEvents(asked_at=pa.array([1])), "asked_at has 1 entries for 2 requ"),
        (
            RequestEvents(
                timestamps=pa.array([[datetime(2020, 1, 1, tzinfo=UTC)] * 2] * 2)
            ),
            "timestamps are of type timestamp.*; give whole seconds since 1970",
        ),
        (
            RequestEvents(asked_at=pa.array([1.5, 2.0])),
            "asked_at are of type double; give",
        ),
        (
            RequestEvents(ratings=pa.array([["*", "**"]] * 2)),
            "ratings are of type string; give numbers",
        ),
    ],
)
def test_invalid_events_are_refused(events, message):
    with pytest.raises(ValueError, match=message):
        read_events(ragged([2, 3], [2, 4]), events)
