"""The dot product's order by angle, with one more dimension."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.index.base import require_unit_rows
from two_tower.index.exact import search_exactly
from two_tower.index.inner_product import (
    find_largest_norm,
    reduce_items,
    reduce_queries,
)

SEEDS = st.integers(0, 2**16)


def skewed_vectors(n, seed):
    """Vectors of lengths between about e⁻³ and e³: what Annoy's "dot" fails on."""
    rng = np.random.default_rng(seed)
    lengths = np.exp(rng.uniform(-3, 3, size=(n, 1)))
    return (rng.normal(size=(n, 5)) * lengths).astype(np.float32)


# covers: L12
@settings(deadline=None)
@given(SEEDS)
def test_the_cosines_are_the_dot_products_over_both_lengths(seed):
    items, queries = skewed_vectors(30, seed), skewed_vectors(4, seed + 1)
    exact_items, exact_queries = items.astype(np.float64), queries.astype(np.float64)
    lengths = np.linalg.norm(exact_items, axis=1)
    expected = exact_queries @ exact_items.T / lengths.max()
    expected /= np.linalg.norm(exact_queries, axis=1, keepdims=True)
    found = reduce_queries(queries) @ reduce_items(items, find_largest_norm(items)).T
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(SEEDS)
def test_a_search_by_angle_finds_the_order_of_the_dot_product(seed):
    items, queries = skewed_vectors(30, seed), skewed_vectors(4, seed + 1)
    by_dot = np.argsort(-(queries.astype(np.float64) @ items.T), axis=1)
    reduced = reduce_items(items, find_largest_norm(items))
    found = search_exactly(reduce_queries(queries), reduced, 3)
    np.testing.assert_array_equal(found.indices, by_dot[:, :3])


def test_all_reduced_vectors_have_length_one():
    items = skewed_vectors(50, 1)
    require_unit_rows(reduce_items(items, find_largest_norm(items)))
    require_unit_rows(reduce_queries(skewed_vectors(5, 2)))


def test_an_item_matches_a_computation_by_hand():
    # M is 5: (3, 0) / 5 leaves √(1 - 0.36).
    found = reduce_items(np.array([[3, 0], [0, 5]], np.float32), 5.0)
    np.testing.assert_allclose(found, [[0.6, 0, 0.8], [0, 1, 0]], atol=1e-7)


def test_a_query_of_nothing_stays_nothing():
    found = reduce_queries(np.array([[0, 0], [0, 2]], np.float32))
    assert found.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_an_item_longer_than_the_longest_is_refused():
    with pytest.raises(ValueError, match="2 times as long as largest_norm"):
        reduce_items(np.array([[4, 0]], np.float32), 2.0)


def test_items_that_are_all_zero_are_refused():
    items = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"has the length 0\.0"):
        reduce_items(items, find_largest_norm(items))


def test_no_item_has_no_length():
    assert find_largest_norm(np.zeros((0, 3), np.float32)) == 0.0
