import ibis
import pyarrow as pa
import pytest

from tests.sequences.tables import interactions, parameters, rows
from two_tower.sequences.explicit_negatives import ExplicitNegatives
from two_tower.sequences.selection import Selection

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


def find(*events, max_rating=2.0, training_end=None):
    end = None if training_end is None else ibis.literal(training_end)
    rule = ExplicitNegatives(max_rating=max_rating)
    return rule.find(interactions(*events), SPLIT, ITEMS, USERS, end)


def found(*events, **options):
    return rows(find(*events, **options))


def test_low_ratings_are_collected_once_in_order_of_the_item_index():
    assert found(
        (1, 14, 1, 2.0),
        (1, 13, 2, 0.5),
        (1, 13, 3, 1.0),
        (1, 12, 4, 2.5),
        (1, 11, 4, None),
        (2, 10, 9, 1.0),
    ) == [(2, [5, 6]), (3, [2])]


@pytest.mark.parametrize(("second", "expected"), [(49, [(2, [6])]), (50, []), (55, [])])
def test_only_ratings_before_the_first_held_out_interaction_count(second, expected):
    assert found((1, 14, second, 1.0)) == expected


def test_ratings_of_a_user_without_targets_end_with_the_training_of_all():
    events = [(2, 10, 70, 1.0), (2, 11, 80, 1.0)]
    assert found(*events) == [(3, [2, 3])]
    assert found(*events, training_end=80) == [(3, [2])]


def test_a_positive_of_the_training_is_no_explicit_negative():
    assert found((1, 10, 1, 1.0), (2, 13, 99, 1.0)) == []


def test_a_held_out_positive_does_not_leak_by_its_absence():
    # Item 11 is a target of user 1; its absence would give that away.
    assert found((1, 11, 1, 1.0)) == [(2, [3])]


def test_users_and_items_without_training_are_left_out():
    assert found((3, 11, 1, 1.0), (1, 15, 1, 1.0), (1, 99, 1, 1.0)) == []


def test_a_table_without_rows_has_the_same_types():
    schema = find((1, 14, 1, 1.0)).schema()
    assert schema == ibis.schema({"user": "int32", "items": "array<int32>"})
    nothing = find((1, 14, 1, 1.0), max_rating=None)
    assert nothing.schema() == schema
    assert nothing.to_pyarrow().schema.field("items").type == pa.list_(pa.int32())
    assert rows(nothing) == []


@pytest.mark.parametrize(
    ("positive", "negative"), [(None, 2.0), (4.0, 4.0), (3.0, 3.5)]
)
def test_a_rating_can_not_be_a_positive_and_an_explicit_negative(positive, negative):
    selection = Selection(**parameters()["selection"] | {"min_rating": positive})
    with pytest.raises(
        ValueError, match=r"explicit_negatives\.max_rating .* must be below"
    ):
        ExplicitNegatives(max_rating=negative).check_against(selection)


@pytest.mark.parametrize(("positive", "negative"), [(None, None), (4.0, 3.5)])
def test_explicit_negatives_below_the_positives_are_allowed(positive, negative):
    selection = Selection(**parameters()["selection"] | {"min_rating": positive})
    ExplicitNegatives(max_rating=negative).check_against(selection)
