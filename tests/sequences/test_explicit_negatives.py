import ibis
import pyarrow as pa
import pytest

from tests.sequences.tables import interactions, rows
from two_tower.sequences.explicit_negatives import (
    find_explicit_negatives,
    no_explicit_negatives,
)

# Users 1 and 2 are 2 and 3, items 10 … 15 are 2 … 7; item 15 and user 3 are cold.
ITEMS = ibis.memtable(
    {"item": range(2, 8), "item_id": range(10, 16), "n_train": [1, 1, 1, 1, 1, 0]}
).cast({"item": "int32"})
USERS = ibis.memtable(
    {"user": [2, 3, 4], "user_id": [1, 2, 3], "n_train": [3, 3, 0]}
).cast({"user": "int32"})


def split_interactions(*events):
    users, items, times, names = zip(*events, strict=True)
    return ibis.memtable(
        {"user_id": users, "item_id": items, "timestamp": times, "split": names}
    )


SPLIT = split_interactions(
    (1, 10, 5, "train"),
    (1, 11, 50, "validation"),
    (1, 12, 60, "test"),
    (2, 13, 5, "train"),
    (3, 10, 30, "test"),
)


def found(*events, before=None):
    end = None if before is None else ibis.literal(before)
    table = find_explicit_negatives(
        interactions(*events), SPLIT, ITEMS, USERS, max_rating=2.0, before=end
    )
    return rows(table)


def test_low_ratings_are_collected_once_in_order_of_the_dense_id():
    assert found(
        (1, 14, 1, 2.0),
        (1, 13, 2, 0.5),
        (1, 13, 3, 1.0),
        (1, 12, 4, 2.5),
        (1, 11, 4, None),
        (2, 10, 9, 1.0),
    ) == [(2, [5, 6]), (3, [2])]


@pytest.mark.parametrize(("second", "expected"), [(49, [(2, [6])]), (50, []), (55, [])])
def test_only_what_comes_before_the_first_held_out_moment_is_known(second, expected):
    assert found((1, 14, second, 1.0)) == expected


def test_a_user_without_targets_is_cut_at_the_moment_for_all():
    events = [(2, 10, 70, 1.0), (2, 11, 80, 1.0)]
    assert found(*events) == [(3, [2, 3])]
    assert found(*events, before=80) == [(3, [2])]


def test_an_item_that_training_has_as_a_positive_is_not_disliked():
    assert found((1, 10, 1, 1.0), (2, 13, 99, 1.0)) == []


def test_what_is_held_out_does_not_show_in_what_is_left_out():
    # Item 11 is a target of user 1; were it missing, training could tell.
    assert found((1, 11, 1, 1.0)) == [(2, [3])]


def test_users_and_items_that_training_does_not_know_are_left_out():
    assert found((3, 11, 1, 1.0), (1, 15, 1, 1.0), (1, 99, 1, 1.0)) == []


def test_no_row_has_the_types_of_some():
    schema = find_explicit_negatives(
        interactions((1, 14, 1, 1.0)), SPLIT, ITEMS, USERS, max_rating=2.0, before=None
    ).schema()
    assert schema == ibis.schema({"user": "int32", "items": "array<int32>"})
    nothing = no_explicit_negatives(USERS)
    assert nothing.schema() == schema
    assert nothing.to_pyarrow().schema.field("items").type == pa.list_(pa.int32())
    assert rows(nothing) == []
