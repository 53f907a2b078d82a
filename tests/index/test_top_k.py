import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from two_tower.index.base import NO_ITEM
from two_tower.index.top_k import mask_repeats, pack, top_k, unpack

SCORES = st.floats(-2, 2, width=32)


@settings(deadline=None)
@given(arrays(np.float32, (2, 7), elements=SCORES), st.integers(1, 7))
def test_the_order_is_by_score_then_by_item_index(scores, k):
    indices = np.tile(np.arange(7), (2, 1))
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_k(indices, scores, k).indices, expected)


@settings(deadline=None)
@given(arrays(np.float32, (1, 5), elements=SCORES))
def test_a_key_gives_back_its_score_and_item_index(scores):
    indices = np.array([[0, 1, 7, 2**32 - 2, 2**31]])
    found = unpack(pack(scores, indices))
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.scores, scores)


def test_minus_zero_is_no_lower_than_zero():
    scores = np.array([[-0.0, 0.0]], np.float32)
    found = top_k(np.array([[4, 5]]), scores, 2)
    assert found.indices.tolist() == [[4, 5]]


def test_empty_ranks_come_last_and_fill_the_row():
    indices = np.array([[NO_ITEM, 3]])
    found = top_k(indices, np.array([[0.9, -0.5]], np.float32), 3)
    assert found.indices.tolist() == [[3, NO_ITEM, NO_ITEM]]
    assert found.scores.tolist() == [[-0.5, -np.inf, -np.inf]]


# covers: X6
def test_the_items_of_two_lists_are_kept_once():
    # Two lists side by side: item 8 is in both.
    kept = mask_repeats(np.array([[8, NO_ITEM, 5, 8], [3, 3, 3, NO_ITEM]]))
    assert kept.tolist() == [[NO_ITEM, 5, 8, NO_ITEM], [NO_ITEM, 3, NO_ITEM, NO_ITEM]]
