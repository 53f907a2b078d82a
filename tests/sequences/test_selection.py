import pytest
from pydantic import ValidationError

from tests.sequences.tables import interactions, parameters, rows
from two_tower.sequences.selection import Order, Selection

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
    order = Order(**{"ties": "file_order", "seed": 0} | settings)
    numbered = order.number_positions(table)
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
