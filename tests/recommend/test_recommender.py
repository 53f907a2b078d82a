import numpy as np
import pyarrow as pa
import pytest

from tests.index.fabricate import bundle_of, ragged
from two_tower.index.base import NO_ITEM
from two_tower.recommend.recommender import Recommender

ITEMS = pa.table(
    {
        "item_id": ["c", "a", "lacking", "b"],
        "title": ["Casino", "Alien", "Brazil", None],
        "n_train": [6, 2, 100, 2],
    }
)


def by_hand():
    """Items a, b, c at 0°, 60° and 90°: cosines 0.5 (a, b) and 0.866 (b, c)."""
    angles = np.deg2rad([0, 60, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    bundle = bundle_of(vectors, item_ids=["a", "b", "c"])
    return Recommender(bundle, ITEMS)


# covers: N15 N17
def test_recommendations_come_with_ids_titles_and_scores():
    first, second = by_hand().recommend_to([2.0, 0.0], seen=["b"], k=5)
    assert (first.rank, first.item_id, first.title) == (1, "a", "Alien")
    assert (second.rank, second.item_id, second.title) == (2, "c", "Casino")
    assert [first.score, second.score] == pytest.approx([1.0, 0.0], abs=1e-6)


def test_raw_ids_are_allowed_and_excluded():
    recommender = by_hand()
    allowed = recommender.recommend_to([1, 0], [], 3, allow=["c", "b"])
    left = recommender.recommend_to([1, 0], [], 3, exclude=["a"])
    assert [item.item_id for item in allowed] == ["b", "c"]
    assert [item.item_id for item in left] == ["b", "c"]


def test_a_seen_item_that_the_index_lacks_changes_nothing():
    assert len(by_hand().recommend_to([1, 0], seen=["lacking"], k=3)) == 3


# covers: L30
def test_the_nearest_items_leave_out_the_item_itself():
    nearest = by_hand().nearest_items("b", 2)
    assert [item.item_id for item in nearest] == ["c", "a"]
    assert [item.score for item in nearest] == pytest.approx([3**0.5 / 2, 0.5])


# covers: L29
def test_items_that_the_index_lacks_are_named():
    recommender = by_hand()
    with pytest.raises(ValueError, match=r"1 of 1 items .* 3 of the index.*\['zz'\]"):
        recommender.nearest_items("zz", 2)
    with pytest.raises(ValueError, match=r"2 of 2 items .*\['x', 7\].*string.*'a'"):
        recommender.recommend_to([1, 0], [], 2, allow=["x", 7])


def test_unknown_items_of_the_masks_change_nothing():
    recommender = by_hand()
    allowed = recommender.recommend_to([1, 0], [], 2, allow=["a", "x", 7])
    left = recommender.recommend_to([1, 0], [], 2, exclude=["a", "x", 7])
    assert [item.item_id for item in allowed] == ["a"]
    assert [item.item_id for item in left] == ["b", "c"]


# Lists of 10**15 ranks would not fit in memory.
def test_k_is_cut_to_the_index():
    recommender = by_hand()
    assert len(recommender.recommend_to([1, 0], [], 10**15)) == 3
    assert len(recommender.nearest_items("a", 10**15)) == 2
    assert recommender.recommend_popular(ragged([]), 10**15).indices.shape == (1, 3)
    assert len(recommender.recommend_to([1, 0], [], 10**15, quota=10**15)) == 3


@pytest.mark.parametrize("k", [0, -1, 2.0, "3", None, True, float("nan"), [1]])
def test_a_k_that_is_no_count_is_refused(k):
    recommender = by_hand()
    message = r"k is .*; give a whole number above 0"
    with pytest.raises(ValueError, match=message):
        recommender.recommend_to([1, 0], [], k)
    with pytest.raises(ValueError, match=message):
        recommender.nearest_items("a", k)
    if k is not None:
        with pytest.raises(
            ValueError, match=r"quota is .*; give a whole number above 0"
        ):
            recommender.recommend_to([1, 0], [], 1, quota=k)


@pytest.mark.parametrize("item", ["100", 100.0, True, None, [100], {}, 2**70])
def test_a_value_that_is_no_id_is_no_item(item):
    recommender = Recommender(
        bundle_of(np.eye(3, dtype=np.float32), item_ids=[100, 1, 2])
    )
    with pytest.raises(ValueError, match=r"1 of 1 items are not among .* int64"):
        recommender.nearest_items(item, 2)
    assert len(recommender.recommend_to([1, 0, 0], [item], 3)) == 3
    assert len(recommender.recommend_to([1, 0, 0], [], 3, exclude=[item])) == 3


def test_ids_are_matched_as_text():
    numbers = Recommender(bundle_of(np.eye(3, dtype=np.float32), item_ids=[7, -1, 9]))
    wanted = ["7", 7, "-1", "8", "x", "²", "9" * 30, ""]
    found, missing = numbers.find_texts(wanted)
    assert found.tolist() == [0, 1]
    assert missing == ["8", "x", "²", "9" * 30, ""]
    found, missing = by_hand().find_texts(["c", 7, "a"])
    assert (found.tolist(), missing) == ([2, 0], ["7"])


def test_titles_are_in_the_order_of_the_index():
    assert by_hand().titles.to_pylist() == ["Alien", None, "Casino"]
    assert Recommender(by_hand().bundle).titles.to_pylist() == [None] * 3


# covers: L30
def test_popular_items_are_ranked_by_count_then_by_item_index():
    found = by_hand().recommend_popular(ragged([], [2], [0, 1, 2]), 2)
    assert found.indices.tolist() == [[2, 0], [0, 1], [NO_ITEM, NO_ITEM]]
    expected = [[0.6, 0.2], [0.2, 0.2], [-np.inf, -np.inf]]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-6)


def test_popular_items_are_allowed_and_excluded():
    recommender = by_hand()
    allowed = recommender.recommend_popular(ragged([]), 3, allow=np.array([1, 0]))
    left = recommender.recommend_popular(ragged([]), 3, exclude=np.array([2]))
    assert allowed.indices.tolist() == [[0, 1, NO_ITEM]]
    assert left.indices.tolist() == [[0, 1, NO_ITEM]]


def test_without_counts_nothing_is_popular():
    with pytest.raises(ValueError, match="no counts of training interactions"):
        Recommender(by_hand().bundle).recommend_popular(ragged([]), 3)


# covers: X6
def test_each_item_names_the_nearest_of_several_vectors():
    recommender = Recommender(bundle_of(np.eye(3, dtype=np.float32)))
    query = np.array([[2.0, 0.0, 0.1], [0.0, 1.0, 0.5]])
    found = recommender.recommend_to(query, [], 3)
    assert [(one.item_id, one.vector_index) for one in found] == [
        (100, 0),
        (101, 1),
        (102, 1),
    ]
    # A single vector has no index.
    assert recommender.recommend_to(query[0], [], 1)[0].vector_index is None
    unseen = recommender.recommend_to(query, [100, 101], 3)
    assert [(one.item_id, one.vector_index) for one in unseen] == [(102, 1)]


def test_a_quota_holds_for_one_user_too():
    items = np.array([[0.8, 0.6], [0.6, 0.8], [0, 1], [0.1, 0.99**0.5]], np.float32)
    found = Recommender(bundle_of(items)).recommend_to(np.eye(2), [], 2, quota=1)
    assert [(one.item_id, one.vector_index) for one in found] == [(102, 1), (100, 0)]
