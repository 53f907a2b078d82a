import ibis
import pyarrow as pa
import pytest

from tests.sequences.tables import rows
from two_tower.sequences import vocabularies


def split_interactions(*events):
    users, items, names = zip(*events, strict=True)
    return ibis.memtable({"user_id": users, "item_id": items, "split": names})


EVENTS = split_interactions(
    (7, 30, "train"), (7, 10, "test"), (9, 30, "train"), (8, 20, "given")
)


def test_items_are_numbered_from_two_in_order_of_their_id():
    items = ibis.memtable({"item_id": [30, 10, 99], "title": ["C", "A", "unused"]})
    assert rows(vocabularies.item_vocabulary(EVENTS, items)) == [
        (2, 10, "A", 0),
        (3, 20, None, 0),
        (4, 30, "C", 2),
    ]


@pytest.mark.parametrize(
    "items",
    [
        ibis.memtable(pa.table({"item_id": pa.array([], pa.string())})),
        ibis.memtable({"item_id": [10, 20]}),
    ],
    ids=["no rows", "no title"],
)
def test_titles_may_be_missing_altogether(items):
    vocabulary = vocabularies.item_vocabulary(EVENTS, items)
    assert vocabulary.schema()["title"] == ibis.dtype("string")
    assert [row[2] for row in rows(vocabulary)] == [None] * 3


def test_users_are_numbered_whatever_they_are_held_out_for():
    assert rows(vocabularies.user_vocabulary(EVENTS)) == [
        (2, 7, 1),
        (3, 8, 0),
        (4, 9, 1),
    ]


def test_string_ids_are_numbered_in_the_order_of_their_code_points():
    events = split_interactions(
        ("u", "b", "train"),
        ("u", "B", "train"),
        ("u", "10", "train"),
        ("u", "9", "train"),
    )
    items = ibis.memtable({"item_id": ["b"], "title": ["small"]})
    vocabulary = vocabularies.item_vocabulary(events, items)
    assert rows(vocabulary, "item", "item_id") == [
        (2, "10"),
        (3, "9"),
        (4, "B"),
        (5, "b"),
    ]


def test_dense_ids_are_int32():
    vocabulary = vocabularies.user_vocabulary(EVENTS)
    assert vocabulary.schema() == ibis.schema(
        {"user": "int32", "user_id": "int64", "n_train": "int64"}
    )
