"""Exact cosines of users of several vectors, and the merge of their results."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.index.fabricate import bundle_of, ragged, unit_vectors, users_of
from two_tower.index.base import NO_ITEM, SearchResult
from two_tower.index.rescoring import merge, nearest_vector
from two_tower.recommend.recommender import Recommender

N_ITEMS = 80
VECTORS = unit_vectors(N_ITEMS)
SEEDS = st.integers(1, 2**16)  # seed 0 would give the items


def test_an_item_found_by_one_vector_is_scored_by_the_other_too():
    items = np.eye(3, dtype=np.float32)
    users = np.array([[[1, 0, 0], [0.6, 0.8, 0]]], np.float32)
    # The first vector retrieved the distant item 1, the second one item 0.
    found = SearchResult(np.array([[1], [0]]), np.zeros((2, 1), np.float32))
    merged = merge(users, items, found, 1)
    assert merged.indices.tolist() == [[0]]
    assert merged.scores.tolist() == [[1.0]]


# covers: X6
def test_the_nearest_vector_of_an_item_is_the_one_that_gave_its_score():
    users = users_of(4, 3, seed=6)
    indices = np.tile(np.array([5, NO_ITEM, 9]), (4, 1))
    cosines = np.einsum("bvd,ld->bvl", users.astype(float), VECTORS[[5, 9]])
    found = nearest_vector(2 * users, VECTORS, indices)
    np.testing.assert_array_equal(found[:, [0, 2]], cosines.argmax(axis=1))
    assert (found[:, 1] == NO_ITEM).all()
    assert (nearest_vector(users[:, 0], VECTORS, indices)[:, 0] == 0).all()


# Seven items at these angles; vectors at 0° and 90°.
ANGLES = np.deg2rad([0, 5, 10, 15, 70, 60, 20])
FAN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
CORNERS = np.eye(2, dtype=np.float32)[np.newaxis]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        # By score: 0°, 5°, 10°, 15°, then 20° and 70° (a tie), then 60°.
        (None, [0, 1, 2, 3, 4]),
        (2, [0, 1, 4, 5, 2]),  # the fifth rank is filled beyond the quota
        (1, [0, 4, 1, 2, 3]),
        (9, [0, 1, 2, 3, 4]),
    ],
)
def test_beyond_its_quota_a_vector_waits_and_no_list_is_short(quota, expected):
    found = Recommender(bundle_of(FAN)).recommend(CORNERS, ragged([]), 5, quota=quota)
    assert found.indices.tolist() == [expected]
    cosines = np.maximum(np.cos(ANGLES), np.sin(ANGLES))
    np.testing.assert_allclose(found.scores[0], cosines[expected], rtol=1e-6)


def clustered(n_vectors, closeness, seed, dimension=8):
    """A user whose vectors have this cosine, and items around them and elsewhere."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    shared, own = axes[0], axes[1 : n_vectors + 1]
    users = np.sqrt(closeness) * shared + np.sqrt(1 - closeness) * own
    # Most items are near the first vector, which would fill the lists alone.
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
    """Take pairs of vector and item by falling cosine, then the nearest other items.

    A vector with its quota and an item already taken are skipped. Both parts of the
    list are ordered by the cosine of the nearest vector.
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
def test_with_a_quota_each_vector_takes_items_of_its_own_list(v, near, k, quota, seed):
    users, items = clustered(v, near, seed)
    cosines = users[0].astype(np.float64) @ items.T.astype(np.float64)
    assume(np.diff(np.sort(cosines, axis=None)).min() > 1e-6)
    found = Recommender(bundle_of(items)).recommend(users, ragged([]), k, quota=quota)
    expected = with_quota_by_definition(cosines, k, quota)
    assert found.indices[0].tolist() == expected
    np.testing.assert_allclose(found.scores[0], cosines.max(axis=0)[expected], 1e-5)
