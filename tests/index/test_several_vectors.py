"""Users of several vectors: an item is as near as the nearest of them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.index.fabricate import annoy_over, bundle_of, unit_vectors
from two_tower.index import rescoring
from two_tower.index.base import NO_ITEM
from two_tower.index.exact import ExactIndex, search_exactly
from two_tower.index.rescoring import merge, nearest_vector
from two_tower.ragged import Ragged
from two_tower.recommend import seen_filter as shown
from two_tower.recommend.explanations import similar_history_items
from two_tower.recommend.recommender import Recommender

N_ITEMS = 80
VECTORS = unit_vectors(N_ITEMS)
EXACT = Recommender(bundle_of(VECTORS))
# One tree that looks at two nodes: so poor that its lists miss near items.
POOR = Recommender(
    bundle_of(VECTORS, index=annoy_over(VECTORS, n_trees=1, search_k=2, at_k=10))
)
SEEDS = st.integers(1, 2**16)  # 0 would make users of the items themselves


def users_of(n_users, n_vectors, seed=1):
    return unit_vectors(n_users * n_vectors, seed=seed).reshape(n_users, n_vectors, -1)


def ragged(*rows):
    return Ragged.from_lists(rows, np.int64)


def scores_by_definition(users, vectors=VECTORS):
    """`[B, N]` float64: max over v of cos(u_v, item), one user after the other."""
    scores = []
    for user in users.astype(np.float64):
        unit = user / np.linalg.norm(user, axis=1, keepdims=True)
        scores.append((unit @ vectors.T.astype(np.float64)).max(axis=0))
    return np.array(scores)


# covers: A33 X6
@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 90), SEEDS)
def test_exact_search_is_by_the_greatest_of_the_cosines(n_vectors, k, seed):
    users = 3 * users_of(4, n_vectors, seed=seed)
    expected = scores_by_definition(users)
    found = search_exactly(users, VECTORS, k)
    n_found = min(k, N_ITEMS)
    positions = found.indices[:, :n_found]
    best = -np.sort(-expected, axis=1)[:, :n_found]
    # By scores: two items may be nearer to each other than float32 tells apart.
    of_found = np.take_along_axis(expected, positions, axis=1)
    np.testing.assert_allclose(of_found, best, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.scores[:, :n_found], best, rtol=1e-5, atol=1e-6)
    assert all(len(set(row)) == n_found for row in positions.tolist())
    assert (found.indices[:, n_found:] == NO_ITEM).all()


# covers: A33 X6
@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(1, 15), SEEDS)
def test_what_is_shown_is_the_best_that_was_not_seen(n_vectors, k, seed):
    users = users_of(3, n_vectors, seed=seed)
    seen = np.random.default_rng(seed).integers(0, N_ITEMS, (3, 9))
    expected = scores_by_definition(users)
    np.put_along_axis(expected, seen, -np.inf, axis=1)
    found = EXACT.recommend(users, ragged(*seen), k)
    np.testing.assert_array_equal(found.indices, np.argsort(-expected, axis=1)[:, :k])


# covers: X6
@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(1, 90), SEEDS)
def test_a_poor_index_still_scores_by_all_vectors_and_repeats_nothing(v, k, seed):
    users = users_of(3, v, seed=seed)
    found = POOR.recommend(users, ragged([1, 2], [], [5]), k)
    expected = scores_by_definition(users)
    for row in range(3):
        positions = found.indices[row][found.indices[row] != NO_ITEM]
        assert len(positions) == len(set(positions)) >= min(k, N_ITEMS - 2)
        scores = found.scores[row, : len(positions)]
        np.testing.assert_allclose(scores, expected[row, positions], 1e-5, 1e-6)
        assert (np.diff(scores) <= 0).all()


# covers: X6
@pytest.mark.parametrize("recommender", [EXACT, POOR])
def test_one_vector_of_each_user_is_as_good_as_a_plain_query(recommender):
    queries = unit_vectors(5, seed=8)
    seen = ragged([3], [], [1, 2], [], [7])
    plain = recommender.recommend(queries, seen, 12)
    single = recommender.recommend(queries[:, np.newaxis], seen, 12)
    twice = recommender.recommend(np.stack([queries, queries], axis=1), seen, 12)
    for other in (single, twice):
        np.testing.assert_array_equal(other.indices, plain.indices)
        np.testing.assert_array_equal(other.scores, plain.scores)


# covers: X6
def test_at_an_equal_budget_more_vectors_find_what_a_single_one_misses():
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
    # Both lists have as many places, whatever V is.
    assert [len(places) for places in lists] == [20, 20]
    hits = [int((places < 20).sum()) for places in lists]
    assert hits[0] == 20
    assert hits[1] < 20


def test_an_item_found_by_one_vector_is_scored_by_the_other_too():
    items = np.eye(3, dtype=np.float32)
    users = np.array([[[1, 0, 0], [0.6, 0.8, 0]]], np.float32)
    # The first vector's search named item 1, of which it is far; the second, item 0.
    found = rescoring.SearchResult(np.array([[1], [0]]), np.zeros((2, 1), np.float32))
    merged = merge(users, items, found, 1)
    assert merged.indices.tolist() == [[0]]
    assert merged.scores.tolist() == [[1.0]]


def test_a_user_of_vectors_alone_gets_what_the_user_gets_among_others(monkeypatch):
    users = users_of(6, 3, seed=4)
    rows = [list(range(i * 8)) for i in range(6)]
    together = [
        POOR.recommend(users, ragged(*rows), 10, quota=quota) for quota in (None, 2)
    ]
    monkeypatch.setattr(rescoring, "PAIRS_PER_BLOCK", 7)
    for i in range(6):
        for quota, found in zip((None, 2), together, strict=True):
            alone = POOR.recommend(users[[i]], ragged(rows[i]), 10, quota=quota)
            np.testing.assert_array_equal(alone.indices[0], found.indices[i])
            np.testing.assert_array_equal(alone.scores[0], found.scores[i])


# covers: X6
def test_the_nearest_vector_of_an_item_is_the_one_that_gave_its_score():
    users = users_of(4, 3, seed=6)
    positions = np.tile(np.array([5, NO_ITEM, 9]), (4, 1))
    cosines = np.einsum("bvd,ld->bvl", users.astype(float), VECTORS[[5, 9]])
    found = nearest_vector(2 * users, VECTORS, positions)
    np.testing.assert_array_equal(found[:, [0, 2]], cosines.argmax(axis=1))
    assert (found[:, 1] == NO_ITEM).all()
    assert (nearest_vector(users[:, 0], VECTORS, positions)[:, 0] == 0).all()


# Seven items at these angles; vectors at 0° and 90°.
ANGLES = np.deg2rad([0, 5, 10, 15, 70, 60, 20])
FAN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
CORNERS = np.eye(2, dtype=np.float32)[np.newaxis]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        # By score: 0°, 5°, 10°, 15°, then 20° and 70° (one score), then 60°.
        (None, [0, 1, 2, 3, 4]),
        (2, [0, 1, 4, 5, 2]),  # the fifth place is filled beyond the quota
        (1, [0, 4, 1, 2, 3]),
        (9, [0, 1, 2, 3, 4]),
    ],
)
def test_beyond_its_quota_a_vector_stands_back_and_no_list_is_short(quota, expected):
    found = Recommender(bundle_of(FAN)).recommend(CORNERS, ragged([]), 5, quota=quota)
    assert found.indices.tolist() == [expected]
    cosines = np.maximum(np.cos(ANGLES), np.sin(ANGLES))
    np.testing.assert_allclose(found.scores[0], cosines[expected], rtol=1e-6)


def clustered(n_vectors, closeness, seed, dimension=8):
    """Users of vectors with these cosines, and items around them and elsewhere."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    shared, own = axes[0], axes[1 : n_vectors + 1]
    users = np.sqrt(closeness) * shared + np.sqrt(1 - closeness) * own
    # Most items are near the first vector: it is the nearest one of many lists.
    near = np.concatenate([np.tile(users[0], (25, 1)), np.tile(users, (3, 1))])
    items = np.concatenate(
        [
            near + 0.1 * rng.normal(size=near.shape),
            rng.normal(size=(N_ITEMS - len(near), dimension)),
        ]
    )
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    return users[np.newaxis].astype(np.float32), items.astype(np.float32)


def with_quota_by_definition(cosines, k, quota):
    """The pair of vector and item with the greatest cosine, then the next one.

    A vector that has its quota, and an item that is taken, are out of it; the rest is
    filled with the nearest items. Both parts are told by the nearest vector's cosine.
    """
    nearest = cosines.max(axis=0)
    taken, n_taken = [], [0] * len(cosines)
    for pair in np.argsort(-cosines, axis=None):
        vector, item = divmod(int(pair), cosines.shape[1])
        if len(taken) < k and n_taken[vector] < quota and item not in taken:
            taken.append(item)
            n_taken[vector] += 1
    first = sorted(taken, key=lambda item: -nearest[item])
    rest = [item for item in np.argsort(-nearest).tolist() if item not in taken]
    return (first + rest)[:k]


# covers: X6
@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 4),
    st.floats(0.8, 0.98),
    st.integers(1, 30),
    st.integers(1, 12),
    SEEDS,
)
def test_with_a_quota_each_vector_has_places_of_its_own_list(v, near, k, quota, seed):
    users, items = clustered(v, near, seed)
    cosines = users[0].astype(np.float64) @ items.T.astype(np.float64)
    assume(np.diff(np.sort(cosines, axis=None)).min() > 1e-6)
    found = Recommender(bundle_of(items)).recommend(users, ragged([]), k, quota=quota)
    expected = with_quota_by_definition(cosines, k, quota)
    assert found.indices[0].tolist() == expected
    np.testing.assert_allclose(found.scores[0], cosines.max(axis=0)[expected], 1e-5)


@pytest.mark.parametrize("n_open", [1, 5, 80])
def test_a_quota_neither_shortens_nor_repeats(n_open):
    users = users_of(2, 3)
    seen = ragged(range(N_ITEMS - n_open), [])
    plain, limited = (EXACT.recommend(users, seen, 9, quota=one) for one in (None, 2))
    for row in range(2):
        places = limited.indices[row][limited.indices[row] != NO_ITEM]
        assert len(places) == (plain.indices[row] != NO_ITEM).sum()
        assert len(set(places)) == len(places)


def test_users_of_several_vectors_are_searched_in_the_index_while_it_has_enough(
    monkeypatch,
):
    whole = annoy_over(VECTORS, n_trees=3, search_k=10_000)
    monkeypatch.setattr(shown, "search_exactly", None)  # calling it would raise
    users = users_of(3, 4)
    found = Recommender(bundle_of(VECTORS, index=whole)).recommend(
        users, ragged([], [1], [2, 3]), 6
    )
    assert (found.indices != NO_ITEM).all()


def test_a_vector_without_a_direction_is_refused():
    users = users_of(3, 2)
    users[1, 1] = 0
    with pytest.raises(ValueError, match=r"1 of 3 query vectors .*row 1"):
        search_exactly(users, VECTORS, 3)
    with pytest.raises(ValueError, match=r"dimensions; make both with one model"):
        search_exactly(users[..., :5], VECTORS, 3)


def test_nobody_finds_nothing():
    found = search_exactly(users_of(2, 3)[:0], VECTORS, 4)
    assert found.indices.shape == (0, 4)
    assert ExactIndex(VECTORS).n_items == N_ITEMS


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.integers(-1, N_ITEMS - 1), max_size=20), min_size=1),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_of_a_history_each_vector_has_the_nearest_of_its_own_items(
    histories, n_vectors, k
):
    users = users_of(len(histories), n_vectors, seed=3)
    found = similar_history_items(5 * users, VECTORS, ragged(*histories), k)
    for user, history in enumerate(histories):
        known = np.array(sorted(set(history) - {NO_ITEM}), int)
        cosines = users[user].astype(float) @ VECTORS[known].T.astype(float)
        for vector in range(n_vectors):
            own = np.flatnonzero(cosines.argmax(axis=0) == vector)
            order = own[np.argsort(-cosines[vector, own])][:k]
            positions, scores = (
                found.indices[user, vector],
                found.scores[user, vector],
            )
            np.testing.assert_array_equal(positions[: len(order)], known[order])
            np.testing.assert_allclose(
                scores[: len(order)], cosines[vector, order], rtol=1e-5, atol=1e-6
            )
            assert (positions[len(order) :] == NO_ITEM).all()
