import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.negatives.consumed import Consumed

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(2, 9)), max_size=40)


def of_pairs(pairs):
    users, items = np.array(pairs, np.int32).reshape(-1, 2).T
    return Consumed.from_pairs(users, items, n_users=6, n_items=10)


# covers: L17, X3
@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_every_pair_that_was_given_is_contained_and_no_other(pairs):
    users, items = np.arange(6, dtype=np.int32), np.arange(10, dtype=np.int32)
    found = of_pairs(pairs).contains(users[:, None], items)
    expected = [[(user, item) in set(pairs) for item in items] for user in users]
    assert found.tolist() == expected


# covers: X3
@settings(max_examples=100, deadline=None)
@given(
    PAIRS,
    st.lists(st.integers(0, 5), max_size=8),
    st.lists(st.integers(0, 9), max_size=12),
)
def test_a_row_marks_the_columns_that_its_user_has_consumed(pairs, rows, columns):
    found = of_pairs(pairs).columns(np.array(rows, np.int32), np.array(columns, int))
    expected = [[(row, column) in set(pairs) for column in columns] for row in rows]
    assert found.shape == (len(rows), len(columns))
    assert found.tolist() == expected


def test_many_users_and_items_do_not_overflow():
    users, items = np.array([199_999, 42_950], np.int32), np.array([99_999, 2], int)
    many = Consumed.from_pairs(users, items, n_users=200_000, n_items=100_000)
    # 42,949 · 100,000 + … is the first pair's key modulo 2³²
    assert many.contains(users, np.int32([99_999, 2])).tolist() == [True, True]
    assert many.contains(users, np.int32([99_998, 3])).tolist() == [False, False]
    overflown = 199_999 * 100_000 + 99_999 - 4 * 2**32
    aliases = np.array([overflown // 100_000], np.int32)
    assert not many.contains(aliases, np.int32([overflown % 100_000])).any()


def test_a_pair_that_is_given_twice_counts_once():
    found = of_pairs([(3, 9), (3, 4), (3, 9), (2, 9), (3, 4)])
    assert found.items.lengths.tolist() == [0, 0, 1, 2, 0, 0]
    assert found.items.values.tolist() == [9, 4, 9]


def test_reserved_ids_are_no_items():
    found = of_pairs([(2, 0), (2, 1), (2, 4)])
    assert found.items.values.tolist() == [4]
