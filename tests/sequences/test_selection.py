from itertools import pairwise

import pytest
from pydantic import ValidationError

from tests.sequences.tables import FILE_ORDER, interactions, parameters, rows
from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.times import has_times

RATED = [
    (1, 10, 100, 4.0),
    (1, 11, 101, 2.0),
    (2, 10, 102, 5.0),
    (2, 10, 103, 3.0),
    (2, 12, 104, None),
]


def kept(table, **settings):
    everything = {
        "min_rating": None,
        "repeats": "all",
        "min_item_interactions": 1,
        "min_user_interactions": 1,
    }
    *_, last = Selection(**everything | settings).steps(table).values()
    return sorted(row[0] for row in rows(last, "event_id"))


@pytest.mark.parametrize(
    ("settings", "events"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"min_rating": 4.0}, [0, 2]),  # a row without a rating is no positive
        ({"repeats": "first"}, [0, 1, 2, 4]),
        ({"repeats": "last"}, [0, 1, 3, 4]),
        ({"min_item_interactions": 2}, [0, 2, 3]),
        ({"min_item_interactions": 2, "min_user_interactions": 2}, [2, 3]),
        ({"min_rating": 3.0, "repeats": "first", "min_user_interactions": 2}, []),
    ],
)
def test_each_option_drops_its_interactions(settings, events):
    assert kept(interactions(*RATED), **settings) == events


def test_repeats_of_one_second_are_in_the_order_of_the_file():
    table = interactions((1, 10, 100), (1, 10, 100), (1, 10, 100))
    assert kept(table, repeats="first") == [0]
    assert kept(table, repeats="last") == [2]


def positions(table, **settings):
    order = Order(**FILE_ORDER.model_dump() | settings)
    numbered = order.number_positions(table, timed=has_times(table))
    return rows(numbered, "user_id", "event_id", "position")


def test_positions_are_in_order_of_time_and_then_of_the_file():
    table = interactions((2, 1, 9), (1, 1, 7), (1, 2, 5), (1, 3, 7), (1, 4, 6))
    assert positions(table) == [
        (1, 2, 0),
        (1, 4, 1),
        (1, 1, 2),
        (1, 3, 3),
        (2, 0, 0),
    ]


def test_shuffled_ties_stay_within_their_second_and_follow_the_seed():
    table = interactions(*((1, i, i // 20) for i in range(40)))
    orders = {
        seed: [row[1] for row in positions(table, ties="shuffled", seed=seed)]
        for seed in (0, 0, 1)
    }
    again = [row[1] for row in positions(table, ties="shuffled", seed=0)]
    assert orders[0] == again != orders[1]
    assert orders[0] != list(range(40))
    for order in orders.values():
        assert sorted(order[:20]) == list(range(20))
        assert sorted(order[20:]) == list(range(20, 40))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"min_rating": "high"}, "min_rating"),
        ({"repeats": "some"}, "repeats"),
        ({"min_item_interactions": 0}, "min_item_interactions"),
        ({"min_ratings": 3}, "min_ratings"),
    ],
)
def test_an_unfit_selection_is_refused_by_name(change, key):
    with pytest.raises(ValidationError, match=key):
        Selection(**parameters()["selection"] | change)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"min_item_interactions": 3},
            r"min_item_interactions: 3 leaves none of 4 int",
        ),
        (
            {"repeats": "last", "min_user_interactions": 3},
            r"min_user_interactions: 3 leaves none of 3 interactions: no user has",
        ),
        ({"min_rating": 5}, r"min_rating: 5.0 leaves none of 4 interactions: all rat"),
    ],
)
def test_a_selection_that_leaves_nothing_is_refused_by_its_step(changes, message):
    table = interactions((1, 1, 1, 4.0), (1, 1, 2), (2, 2, 3), (3, 2, 4, 1.0))
    everything = parameters()["selection"]
    Selection(**everything).require_rows(table)
    with pytest.raises(ValueError, match=rf"sequencing\.selection\.{message}"):
        Selection(**everything | changes).require_rows(table)


def test_a_table_without_interactions_is_refused():
    with pytest.raises(ValueError, match="has no row"):
        Selection(**parameters()["selection"]).require_rows(interactions())


def untimed(n=40):
    """Return histories of two users, sorted by item in the file as by id."""
    return interactions(*((user, item, None) for user in (1, 2) for item in range(n)))


def test_without_times_the_order_is_random_and_differs_by_user_and_seed():
    first = positions(untimed(), without_times="shuffled")
    orders = {
        user: [event % 40 for owner, event, _ in first if owner == user]
        for user in (1, 2)
    }
    assert first == positions(untimed(), without_times="shuffled", ties="file_order")
    assert first != positions(untimed(), without_times="shuffled", seed=1)
    assert orders[1] != orders[2]
    for order in orders.values():
        assert sorted(order) == list(range(40))
        # Neither the order of the file nor of the ids: about half of the steps fall.
        assert 10 < sum(b < a for a, b in pairwise(order)) < 30


def test_without_times_rows_may_be_declared_in_order():
    found = positions(untimed(3), without_times="file_order", ties="shuffled")
    assert [event for _, event, _ in found] == list(range(6))


def test_the_order_without_times_leaves_data_with_times_alone():
    table = interactions(*((1, i, i // 20) for i in range(40)))
    found = positions(table, without_times="shuffled", ties="file_order")
    assert [event for _, event, _ in found] == list(range(40))


def test_times_of_some_rows_only_are_refused():
    assert has_times(interactions((1, 1, 5)))
    assert not has_times(interactions((1, 1, None)))
    assert has_times(interactions())
    with pytest.raises(ValueError, match=r"1 of 2 interactions have no time.*null"):
        has_times(interactions((1, 1, None), (1, 2, 5)))
