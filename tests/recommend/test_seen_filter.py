"""Search among unseen, allowed items, with queries of one and of several vectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.index.fabricate import (
    annoy_over,
    best_cosines,
    bundle_of,
    ragged,
    unit_vectors,
    users_of,
)
from two_tower.index import rescoring
from two_tower.index.base import NO_ITEM
from two_tower.recommend import seen_filter
from two_tower.recommend.recommender import Recommender
from two_tower.recommend.seen_filter import ItemFilter

N_ITEMS = 80
INDICES = st.lists(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS + 5)
SEEDS = st.integers(1, 2**16)  # seed 0 would give the items
VECTORS = unit_vectors(N_ITEMS)
EXACT = Recommender(bundle_of(VECTORS))
# One tree that inspects two nodes: so poor that every list must be fetched again.
POOR = Recommender(
    bundle_of(VECTORS, index=annoy_over(VECTORS, n_trees=1, search_k=2, at_k=10))
)
THOROUGH = Recommender(
    bundle_of(VECTORS, index=annoy_over(VECTORS, n_trees=3, search_k=10_000))
)


def test_a_mask_has_no_seen_no_excluded_and_only_allowed_items():
    item_filter = ItemFilter.of(6, allow=np.array([0, 2, 3, 4]), exclude=np.array([4]))
    indices = np.array([[0, 2, 3, 4, 5, NO_ITEM], [5, 3, 2, 0, 0, 4]])
    masked = item_filter.mask(indices, ragged([2, NO_ITEM], []))
    empty = NO_ITEM
    assert masked.tolist() == [
        [0, empty, 3, empty, empty, empty],
        [empty, 3, 2, 0, 0, empty],
    ]
    assert item_filter.n_allowed == 3
    assert item_filter.allowed_indices.tolist() == [0, 2, 3]


@settings(deadline=None)
@given(INDICES, INDICES, st.none() | INDICES, st.integers(1, N_ITEMS + 5))
def test_every_unseen_allowed_item_is_found_and_no_other(seen, exclude, allow, k):
    masks = {
        "allow": None if allow is None else np.array(allow, np.int64),
        "exclude": np.array(exclude, np.int64),
    }
    found = POOR.recommend(VECTORS[:1], ragged(seen), k, **masks)
    may_return = set(range(N_ITEMS) if allow is None else allow) - {*seen, *exclude}
    indices = found.indices[0][found.indices[0] != NO_ITEM].tolist()
    assert len(indices) == len(set(indices)) == min(k, len(may_return))
    assert set(indices) <= may_return


@settings(deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 8))
def test_with_a_whole_search_the_list_is_the_best_of_the_unseen(seed, k):
    query = unit_vectors(1, seed=seed)
    order = np.argsort(-(query @ VECTORS.T)[0])
    found = THOROUGH.recommend(query, ragged(order[:5]), k)
    assert found.indices[0].tolist() == order[5 : 5 + k].tolist()


# covers: L30 N19
def test_only_the_items_that_a_user_has_seen_are_masked_for_that_user():
    found = POOR.recommend(VECTORS[[3, 3]], ragged([3], []), 1)
    assert found.indices[0] != 3
    assert found.indices[1] == 3


def test_an_item_that_the_index_lacks_masks_nothing():
    queries = VECTORS[[N_ITEMS - 1, 0]]
    found = THOROUGH.recommend(queries, ragged([], [NO_ITEM]), 1)
    assert found.indices[:, 0].tolist() == [N_ITEMS - 1, 0]


def test_the_search_fetches_more_until_enough_items_are_left(monkeypatch):
    monkeypatch.setattr(seen_filter, "EXACT_UP_TO_ITEMS", 0)
    vectors = unit_vectors(400)
    recommender = Recommender(bundle_of(vectors, index=annoy_over(vectors)))
    # The allowed half is the one furthest from the query.
    allow = np.argsort(vectors @ vectors[0])[:200]
    found = recommender.recommend(vectors[:1], ragged([]), 10, allow=allow)
    np.testing.assert_array_equal(found.indices[0], allow[:-11:-1])


def test_the_index_answers_while_it_has_enough(monkeypatch):
    monkeypatch.setattr(seen_filter, "search_exactly", None)  # calling it would raise
    found = THOROUGH.recommend(VECTORS[:1], ragged([1, 2, 3]), 10)
    assert (found.indices != NO_ITEM).all()
    found = THOROUGH.recommend(users_of(3, 4), ragged([], [1], [2, 3]), 6)
    assert (found.indices != NO_ITEM).all()


@pytest.mark.parametrize(("n_vectors", "quota"), [(1, None), (3, None), (3, 2)])
def test_a_list_is_independent_of_the_other_users_of_its_batch(
    n_vectors, quota, monkeypatch
):
    users = users_of(7, n_vectors, seed=4)
    users = users[:, 0] if n_vectors == 1 else users
    rows = [list(range(i * 8)) for i in range(7)]
    together = POOR.recommend(users, ragged(*rows), 10, quota=quota)
    monkeypatch.setattr(rescoring, "PAIRS_PER_BLOCK", 7)
    for i in range(7):
        alone = POOR.recommend(users[[i]], ragged(rows[i]), 10, quota=quota)
        np.testing.assert_array_equal(alone.indices[0], together.indices[i])
        np.testing.assert_array_equal(alone.scores[0], together.scores[i])


# covers: A33 X6
@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(1, 15), SEEDS)
def test_users_of_several_vectors_get_the_best_of_the_unseen(n_vectors, k, seed):
    users = users_of(3, n_vectors, seed=seed)
    seen = np.random.default_rng(seed).integers(0, N_ITEMS, (3, 9))
    expected = best_cosines(users, VECTORS)
    np.put_along_axis(expected, seen, -np.inf, axis=1)
    found = EXACT.recommend(users, ragged(*seen), k)
    np.testing.assert_array_equal(found.indices, np.argsort(-expected, axis=1)[:, :k])


# covers: X6
@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(1, 90), SEEDS)
def test_a_poor_index_still_scores_by_all_vectors_and_repeats_nothing(v, k, seed):
    users = users_of(3, v, seed=seed)
    found = POOR.recommend(users, ragged([1, 2], [], [5]), k)
    expected = best_cosines(users, VECTORS)
    for row in range(3):
        indices = found.indices[row][found.indices[row] != NO_ITEM]
        assert len(indices) == len(set(indices)) >= min(k, N_ITEMS - 2)
        scores = found.scores[row, : len(indices)]
        np.testing.assert_allclose(scores, expected[row, indices], 1e-5, 1e-6)
        assert (np.diff(scores) <= 0).all()


# covers: X6
@pytest.mark.parametrize("recommender", [EXACT, POOR])
def test_one_vector_per_user_equals_a_plain_query(recommender):
    queries = unit_vectors(5, seed=8)
    seen = ragged([3], [], [1, 2], [], [7])
    plain = recommender.recommend(queries, seen, 12)
    single = recommender.recommend(queries[:, np.newaxis], seen, 12)
    twice = recommender.recommend(np.stack([queries, queries], axis=1), seen, 12)
    for other in (single, twice):
        np.testing.assert_array_equal(other.indices, plain.indices)
        np.testing.assert_array_equal(other.scores, plain.scores)


# covers: X6
def test_with_equally_long_lists_more_vectors_find_what_a_single_one_misses():
    # A user of two tastes, among noise: the mean of both is near to neither.
    rng = np.random.default_rng(5)
    tastes = np.eye(16)[:2]
    noise = rng.normal(size=(300, 16))
    noise[:, :2] = 0.7 * np.abs(noise[:, :2]).mean()
    near = np.repeat(tastes, 10, axis=0) + 0.05 * rng.normal(size=(20, 16))
    items = np.concatenate([near, noise + 0.9 * tastes.sum(axis=0)])
    items = (items / np.linalg.norm(items, axis=1, keepdims=True)).astype(np.float32)
    recommender = Recommender(bundle_of(items))
    both = tastes[np.newaxis].astype(np.float32)
    lists = [
        recommender.recommend(queries, ragged([]), 20).indices[0]
        for queries in (both, both.mean(axis=1))
    ]
    assert [len(indices) for indices in lists] == [20, 20]
    hits = [int((indices < 20).sum()) for indices in lists]
    assert hits[0] == 20
    assert hits[1] < 20


@pytest.mark.parametrize("n_unseen", [1, 5, 80])
def test_a_quota_neither_shortens_nor_repeats(n_unseen):
    users = users_of(2, 3)
    seen = ragged(range(N_ITEMS - n_unseen), [])
    plain, limited = (EXACT.recommend(users, seen, 9, quota=one) for one in (None, 2))
    for row in range(2):
        indices = limited.indices[row][limited.indices[row] != NO_ITEM]
        assert len(indices) == (plain.indices[row] != NO_ITEM).sum()
        assert len(set(indices)) == len(indices)
