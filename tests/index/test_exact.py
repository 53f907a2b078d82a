import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.index.fabricate import best_cosines, sign_vectors, unit_vectors, users_of
from two_tower.index import exact, rescoring
from two_tower.index.base import NO_ITEM
from two_tower.index.exact import ExactIndex, search_exactly

SEEDS = st.integers(0, 2**16)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 70), SEEDS)
def test_exact_search_is_a_stable_argsort_of_all_cosines(n_items, k, seed):
    items, queries = sign_vectors(n_items, seed), sign_vectors(4, seed + 1)
    expected = np.argsort(-(queries @ items.T), axis=1, kind="stable")[:, :k]
    found = search_exactly(queries, items, k)
    np.testing.assert_array_equal(found.indices[:, :n_items], expected)
    assert (found.indices[:, n_items:] == NO_ITEM).all()


@settings(deadline=None)
@given(SEEDS)
def test_a_permutation_of_the_items_permutes_the_results(seed):
    items, queries = unit_vectors(40, seed=seed), unit_vectors(3, seed=seed + 1)
    order = np.random.default_rng(seed).permutation(40)
    found, permuted = (search_exactly(queries, x, 9) for x in (items, items[order]))
    np.testing.assert_array_equal(order[permuted.indices], found.indices)
    np.testing.assert_array_equal(permuted.scores, found.scores)


def test_small_blocks_give_the_same_bits(monkeypatch):
    items, queries = unit_vectors(500), unit_vectors(50, seed=1)
    whole = search_exactly(queries, items, 20)
    monkeypatch.setattr(exact, "SCORES_PER_BLOCK", 300)
    monkeypatch.setattr(exact, "ITEMS_PER_BLOCK", 64)
    monkeypatch.setattr(rescoring, "PAIRS_PER_BLOCK", 30)
    blocked = search_exactly(queries, items, 20)
    np.testing.assert_array_equal(blocked.indices, whole.indices)
    np.testing.assert_array_equal(blocked.scores, whole.scores)


def test_the_scores_of_a_query_are_independent_of_its_batch():
    items, queries = unit_vectors(300, 64), unit_vectors(33, 64, seed=1)
    together = search_exactly(queries, items, 50)
    alone = search_exactly(queries[32:], items, 50)
    np.testing.assert_array_equal(alone.scores[0], together.scores[32])


def test_only_the_given_items_are_searched():
    items = np.eye(4, dtype=np.float32)
    found = search_exactly(items[:1], items, 3, among=np.array([1, 3]))
    assert found.indices.tolist() == [[1, 3, NO_ITEM]]
    assert found.scores.tolist() == [[0.0, 0.0, -np.inf]]


def test_without_items_or_queries_nothing_is_found():
    items = np.eye(3, dtype=np.float32)
    no_query = search_exactly(items[:0], items, 2)
    no_user = search_exactly(users_of(2, 3)[:0], unit_vectors(80), 4)
    no_item = search_exactly(items, items, 2, among=np.array([], np.int64))
    assert no_query.indices.shape == (0, 2)
    assert no_user.indices.shape == (0, 4)
    assert no_item.indices.tolist() == [[NO_ITEM, NO_ITEM]] * 3


def test_a_long_query_is_scored_by_its_cosine():
    items = np.array([[1, 0], [0.6, 0.8]], np.float32)
    found = search_exactly(np.array([[30.0, 40.0]]), items, 2)
    # (0.6, 0.8) against itself, and against (1, 0).
    assert found.indices.tolist() == [[1, 0]]
    np.testing.assert_allclose(found.scores, [[1.0, 0.6]], rtol=1e-6)


def test_queries_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 8\).* of 4 dimensions"):
        ExactIndex(np.eye(4, dtype=np.float32)).search(unit_vectors(2, 8), 3)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_query_without_a_direction_is_refused(bad):
    queries = np.array([[1, 0], [bad, 0]], np.float32)
    with pytest.raises(ValueError, match=r"1 of 2 query vectors .*row 1"):
        ExactIndex(np.eye(2, dtype=np.float32)).search(queries, 1)


# covers: A33 X6
@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 90), st.integers(1, 2**16))
def test_users_of_several_vectors_are_ranked_by_the_largest_cosine(n_vectors, k, seed):
    n_items, items = 80, unit_vectors(80)
    users = 3 * users_of(4, n_vectors, seed=seed)  # seed 0 would give the items
    expected = best_cosines(users, items)
    found = search_exactly(users, items, k)
    n_found = min(k, n_items)
    indices = found.indices[:, :n_found]
    best = -np.sort(-expected, axis=1)[:, :n_found]
    # Compared by scores: float32 can't separate two nearly equal cosines.
    of_found = np.take_along_axis(expected, indices, axis=1)
    np.testing.assert_allclose(of_found, best, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.scores[:, :n_found], best, rtol=1e-5, atol=1e-6)
    assert all(len(set(row)) == n_found for row in indices.tolist())
    assert (found.indices[:, n_found:] == NO_ITEM).all()


def test_a_vector_without_a_direction_is_refused():
    users = users_of(3, 2)
    users[1, 1] = 0
    with pytest.raises(ValueError, match=r"1 of 3 query vectors .*row 1"):
        search_exactly(users, unit_vectors(80), 3)
    with pytest.raises(ValueError, match=r"dimensions; make both with one model"):
        search_exactly(users[..., :5], unit_vectors(80), 3)
