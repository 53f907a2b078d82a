import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from two_tower.metrics.slices import (
    coldness_slices,
    history_slices,
    popularity_slices,
)


def names_of(slices):
    """The name of the slice that each positive is in."""
    indices = [np.flatnonzero(row) for row in np.array(list(slices.values())).T]
    return [list(slices)[index] for (index,) in indices]


def test_histories_fall_between_the_bounds():
    lengths = np.array([0, 1, 19, 20, 49, 50, 400])
    assert names_of(history_slices(lengths, [0, 1, 20, 50])) == [
        "0",
        "1-19",
        "1-19",
        "20-49",
        "20-49",
        "50 and more",
        "50 and more",
    ]


def test_the_head_is_where_half_of_the_interactions_are():
    # 100 interactions; the head's half ends within the second item.
    n_train = np.array([8, 40, 2, 30, 20, 0])
    items = np.arange(6)
    bands = names_of(popularity_slices(n_train, items, head=0.5, mid=0.4))
    assert bands == ["tail", "head", "tail", "head", "mid", "tail"]


def test_an_item_that_begins_at_the_bound_is_in_the_next_band():
    n_train = np.array([50, 25, 25, 0])
    bands = names_of(popularity_slices(n_train, np.arange(4), head=0.5, mid=0.5))
    assert bands == ["head", "mid", "mid", "tail"]


def test_without_interactions_every_item_is_in_the_tail():
    bands = popularity_slices(np.zeros(2, int), np.arange(2), head=0.5, mid=0.3)
    assert names_of(bands) == ["tail", "tail"]


def test_equally_popular_items_are_in_one_band():
    n_train = np.array([5, 5, 5, 5])
    bands = names_of(popularity_slices(n_train, np.arange(4), head=0.5, mid=0.3))
    assert bands == ["head"] * 4


def test_the_band_of_a_positive_is_that_of_its_item():
    n_train = np.array([1, 100, 0])
    items = np.array([1, 1, 2, 0])
    assert names_of(popularity_slices(n_train, items, head=0.5, mid=0.5)) == [
        "head",
        "head",
        "tail",
        "mid",
    ]


def test_positives_without_training_interactions_are_cold():
    slices = coldness_slices(np.array([1, 100, 0]))
    assert names_of(slices) == ["warm", "warm", "cold"]


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_every_positive_is_in_exactly_one_band(n_train, head, mid):
    counts = np.array(n_train)
    slices = popularity_slices(
        counts, np.arange(len(counts)), head=head, mid=mid * (1 - head)
    )
    assert np.array(list(slices.values())).sum(axis=0).tolist() == [1] * len(counts)
    heads, tails = counts[slices["head"]], counts[slices["tail"]]
    assert heads.min(initial=99) >= tails.max(initial=-1)
