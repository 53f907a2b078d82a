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


def test_users_are_numbered_whatever_their_split():
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


DEPLOYED_ITEMS = ibis.memtable(
    {
        "item": [2, 3, 4],
        "item_id": [40, 30, 5],
        "title": ["D", "old", "gone"],
        "n_train": [3, 8, 1],
    }
).cast({"item": "int32"})


# covers: L28
def test_deployed_items_keep_their_index_and_new_ones_come_after():
    items = ibis.memtable({"item_id": [30, 10], "title": ["C", "A"]})
    assert rows(vocabularies.item_vocabulary(EVENTS, items, DEPLOYED_ITEMS)) == [
        (2, 40, "D", 0),  # deployed, and no longer in the data
        (3, 30, "C", 2),
        (4, 5, "gone", 0),
        (5, 10, "A", 0),
        (6, 20, None, 0),
    ]


def test_deployed_users_keep_their_index_and_new_ones_come_after():
    deployed = ibis.memtable({"user": [2, 3], "user_id": [9, 1], "n_train": [5, 5]})
    grown = vocabularies.user_vocabulary(EVENTS, deployed.cast({"user": "int32"}))
    assert rows(grown) == [(2, 9, 1), (3, 1, 0), (4, 7, 1), (5, 8, 0)]


def test_growing_without_new_users_changes_nothing():
    first = vocabularies.user_vocabulary(EVENTS)
    assert rows(vocabularies.user_vocabulary(EVENTS, first)) == rows(first)


def test_ids_of_another_type_than_the_deployed_ones_are_refused():
    events = EVENTS.cast({"user_id": "string"})
    with pytest.raises(ValueError, match=r"user ids are string.*are int64"):
        vocabularies.user_vocabulary(events, vocabularies.user_vocabulary(EVENTS))


# covers: X11
def test_new_items_are_added_after_the_deployed_ones_as_cold_items():
    items = ibis.memtable({"item_id": [50, 30, 45], "title": ["E", "C", None]})
    assert rows(vocabularies.add_items(DEPLOYED_ITEMS, items)) == [
        (2, 40, "D", 3),
        (3, 30, "C", 8),
        (4, 5, "gone", 1),
        (5, 45, None, 0),
        (6, 50, "E", 0),
    ]


def test_indices_are_int32():
    vocabulary = vocabularies.user_vocabulary(EVENTS)
    assert vocabulary.schema() == ibis.schema(
        {"user": "int32", "user_id": "int64", "n_train": "int64"}
    )


@pytest.mark.parametrize(
    ("entity", "counts"), [("item", [1, 1, 2]), ("user", [2, 1, 1])]
)
def test_a_refit_counts_all_interactions_and_keeps_the_indices(entity, counts):
    before = {
        "item": vocabularies.item_vocabulary(EVENTS, ibis.memtable({"item_id": [10]})),
        "user": vocabularies.user_vocabulary(EVENTS),
    }[entity]
    after = vocabularies.recounted(before, EVENTS, entity)
    assert after.schema() == before.schema()
    assert rows(after.drop("n_train")) == rows(before.drop("n_train"))
    assert rows(after, "n_train") == [(count,) for count in counts]
    nothing = vocabularies.recounted(before, EVENTS.limit(0), entity)
    assert rows(nothing, "n_train") == [(0,), (0,), (0,)]
