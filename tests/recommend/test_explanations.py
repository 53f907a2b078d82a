import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.index.fabricate import ragged, unit_vectors, users_of
from two_tower.index.base import NO_ITEM
from two_tower.recommend.explanations import (
    explain_items,
    format_lists,
    similar_history_items,
)

N_ITEMS = 80
VECTORS = unit_vectors(N_ITEMS)


HISTORIES = st.lists(
    st.lists(st.integers(NO_ITEM, N_ITEMS - 1), max_size=20), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=40)
@given(HISTORIES, st.integers(1, 40), st.integers(0, 5), st.integers(0, 99))
def test_each_item_has_the_history_items_nearest_to_it(histories, k, n, seed):
    shape = len(histories), k
    items = np.random.default_rng(seed).integers(NO_ITEM, N_ITEMS, shape)
    found = explain_items(items, VECTORS, ragged(*histories), n)
    assert found.indices.shape == (*shape, n)
    for user, rank in np.ndindex(*shape):
        item = items[user, rank]
        others = sorted(set(histories[user]) - {NO_ITEM, item})
        cosines = VECTORS[others].astype(float) @ VECTORS[item].astype(float)
        order = np.argsort(-cosines)[: 0 if item == NO_ITEM else n]
        expected = [others[i] for i in order] + [NO_ITEM] * (n - len(order))
        assert found.indices[user, rank].tolist() == expected
        scores = found.scores[user, rank, : len(order)]
        np.testing.assert_allclose(scores, cosines[order], 1e-5, 1e-6)


@settings(deadline=None, max_examples=40)
@given(HISTORIES, st.integers(1, 3), st.integers(1, 5))
def test_each_vector_has_the_nearest_of_the_history_items_assigned_to_it(
    histories, n_vectors, k
):
    users = users_of(len(histories), n_vectors, seed=3)
    found = similar_history_items(5 * users, VECTORS, ragged(*histories), k)
    for user, history in enumerate(histories):
        items = np.array(sorted(set(history) - {NO_ITEM}), int)
        cosines = users[user].astype(float) @ VECTORS[items].T.astype(float)
        for vector in range(n_vectors):
            own = np.flatnonzero(cosines.argmax(axis=0) == vector)
            order = own[np.argsort(-cosines[vector, own])][:k]
            indices = found.indices[user, vector]
            scores = found.scores[user, vector, : len(order)]
            np.testing.assert_array_equal(indices[: len(order)], items[order])
            np.testing.assert_allclose(scores, cosines[vector, order], 1e-5, 1e-6)
            assert (indices[len(order) :] == NO_ITEM).all()


def test_a_long_explanation_is_wrapped_below_its_item():
    row = {
        "user_id": 42,
        "rank": 1,
        "item_id": 7,
        "title": "Alien",
        "score": 0.5,
        "vector_index": 0,
        "similar_history_items": [1, 2, 3],
        "similar_history_titles": ["Blade Runner (1982)", None, "The Thing (1982)" * 2],
    }
    text = format_lists(pa.RecordBatch.from_pylist([row]), n_vectors=1)
    assert text.splitlines() == [
        "user 42",
        "  rank   score  item  title",
        "     1   0.500  7     Alien",
        "        similar to Blade Runner (1982), 2, The Thing",
        "          (1982)The Thing (1982)",
    ]
