"""Raw values of a request as the numbers that towers read."""

from dataclasses import replace

import pyarrow as pa
import pytest

from tests.serving.build import make_vocabularies
from two_tower.features.registry import Features
from two_tower.serving.requests import encode_values

# Training knows cats (3 users), dogs (1) and eels (2), and two sets of them.
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
    """Return the ids that lists of a request's `likes` have in each feature."""
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
    known = replace(
        make_vocabularies(), declared=DECLARED, schema={"user": SCHEMA}, values=table
    )
    rows = pa.table({"likes": pa.array(lists, dtype or pa.list_(pa.string()))})
    found = encode_values(rows, known, "user", names, strict=strict)
    return [found[name].ravel().tolist() for name in names]


def test_the_rarest_value_is_by_the_counts_of_training():
    # In the request itself, dogs are the most frequent.
    lists = ["dogs", "cats"], ["dogs", "eels"], ["dogs"], ["eels", "cats"]
    assert encode(*lists, names=["favourite"]) == [[3, 3, 3, 4]]


def test_a_value_set_is_looked_up_as_a_whole():
    lists = ["eels", "dogs", "cats", "dogs"], ["cats"], ["dogs"]
    assert encode(*lists, names=["pets"]) == [[3, 2, 1]]


def test_lists_without_values_are_missing():
    assert encode([], None, [None]) == [[0, 0, 0], [0, 0, 0]]
    assert encode(None, dtype=pa.null(), strict=True) == [[0], [0]]


def test_an_unknown_value_hides_behind_a_known_one():
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
def test_a_strict_request_holds_nothing_that_training_lacks(lists, name):
    encode(["cats"], ["dogs", "cats", "eels", None], strict=True)
    with pytest.raises(ValueError, match=rf"1 of 2 values of {name} .*s'\]\]\)"):
        encode(*lists, names=[name], strict=True)
