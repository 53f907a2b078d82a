import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.index.fabricate import annoy_over, bundle_of, unit_vectors
from two_tower.index.base import NO_ITEM
from two_tower.ragged import Ragged
from two_tower.recommend import seen_filter as shown
from two_tower.recommend.recommender import Recommender

N_ITEMS = 60
POSITIONS = st.lists(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS + 5)
VECTORS = unit_vectors(N_ITEMS)
# One tree that looks at two nodes: so poor that every list must be fetched again.
POOR = annoy_over(VECTORS, n_trees=1, search_k=2, at_k=10)
RECOMMENDER = Recommender(bundle_of(VECTORS, index=POOR))
WHOLE = annoy_over(VECTORS, n_trees=3, search_k=10_000)
THOROUGH = Recommender(bundle_of(VECTORS, index=WHOLE))


def ragged(*rows):
    return Ragged.from_lists(rows, np.int64)


@settings(deadline=None)
@given(POSITIONS, POSITIONS, st.none() | POSITIONS, st.integers(1, N_ITEMS + 5))
def test_all_that_may_be_shown_is_found_and_nothing_else(seen, exclude, allow, k):
    hide = {"allow": allow and np.array(allow), "exclude": np.array(exclude, np.int64)}
    if allow == []:
        hide["allow"] = np.array([], np.int64)
    found = RECOMMENDER.recommend(VECTORS[:1], ragged(seen), k, **hide)
    may_show = set(range(N_ITEMS) if allow is None else allow) - {*seen, *exclude}
    positions = found.indices[0][found.indices[0] != NO_ITEM].tolist()
    assert len(positions) == len(set(positions)) == min(k, len(may_show))
    assert set(positions) <= may_show


@settings(deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 8))
def test_with_a_whole_search_the_list_is_the_best_of_what_may_be_shown(seed, k):
    query = unit_vectors(1, seed=seed)
    seen = np.argsort(-(query @ VECTORS.T)[0])[:5]
    found = THOROUGH.recommend(query, ragged(seen), k)
    expected = np.argsort(-(query @ VECTORS.T)[0])[5 : 5 + k]
    assert found.indices[0].tolist() == expected.tolist()


# covers: L30 N19
def test_each_user_is_spared_what_that_user_has_seen():
    queries = VECTORS[[3, 3]]
    found = RECOMMENDER.recommend(queries, ragged([3], []), 1)
    assert found.indices[0] != 3
    assert found.indices[1] == 3


def test_a_user_alone_gets_what_the_user_gets_among_others():
    queries = unit_vectors(7, seed=3)
    rows = [list(range(i * 8)) for i in range(7)]
    together = RECOMMENDER.recommend(queries, ragged(*rows), 10)
    for i in range(7):
        alone = RECOMMENDER.recommend(queries[[i]], ragged(rows[i]), 10)
        np.testing.assert_array_equal(alone.indices[0], together.indices[i])
        np.testing.assert_array_equal(alone.scores[0], together.scores[i])


def test_the_index_is_asked_for_more_until_enough_is_left(monkeypatch):
    monkeypatch.setattr(shown, "EXACT_UP_TO_ITEMS", 0)
    vectors = unit_vectors(400)
    recommender = Recommender(bundle_of(vectors, index=annoy_over(vectors)))
    # The half that may be shown is the one furthest from the query.
    allow = np.argsort(vectors @ vectors[0])[:200]
    found = recommender.recommend(vectors[:1], ragged([]), 10, allow=allow)
    np.testing.assert_array_equal(found.indices[0], allow[:-11:-1])


def test_an_item_that_the_index_lacks_hides_nothing_from_anybody():
    queries = VECTORS[[N_ITEMS - 1, 0]]
    found = THOROUGH.recommend(queries, ragged([], [NO_ITEM]), 1)
    assert found.indices[:, 0].tolist() == [N_ITEMS - 1, 0]


def test_the_index_answers_while_it_has_enough(monkeypatch):
    monkeypatch.setattr(shown, "search_exactly", None)  # calling it would raise
    found = THOROUGH.recommend(VECTORS[:1], ragged([1, 2, 3]), 10)
    assert (found.indices != NO_ITEM).all()


ITEMS = pa.table(
    {
        "item_id": ["c", "a", "gone", "b"],
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
    assert len(by_hand().recommend_to([1, 0], seen=["gone"], k=3)) == 3


# covers: L30
def test_the_nearest_items_leave_the_item_itself_out():
    nearest = by_hand().nearest_items("b", 2)
    assert [item.item_id for item in nearest] == ["c", "a"]
    assert [item.score for item in nearest] == pytest.approx([3**0.5 / 2, 0.5])


# covers: L29
def test_unknown_items_are_named():
    recommender = by_hand()
    with pytest.raises(ValueError, match=r"1 of 1 items .* 3 of the index.*\['zz'\]"):
        recommender.nearest_items("zz", 2)
    with pytest.raises(ValueError, match=r"2 of 3 items .*\['x', 7\].*string.*'a'"):
        recommender.recommend_to([1, 0], [], 2, allow=["a", "x", 7])


def test_titles_go_to_the_items_they_belong_to():
    assert by_hand().titles.to_pylist() == ["Alien", None, "Casino"]
    assert Recommender(by_hand().bundle).titles.to_pylist() == [None] * 3


# covers: L30
def test_popular_items_are_ranked_by_their_count_then_by_position():
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
    with pytest.raises(ValueError, match="not known how popular"):
        Recommender(by_hand().bundle).recommend_popular(ragged([]), 3)


# covers: X6
def test_of_several_vectors_each_item_names_the_nearest():
    recommender = Recommender(bundle_of(np.eye(3, dtype=np.float32)))
    query = np.array([[2.0, 0.0, 0.1], [0.0, 1.0, 0.5]])
    found = recommender.recommend_to(query, [], 3)
    assert [(one.item_id, one.vector_index) for one in found] == [
        (100, 0),
        (101, 1),
        (102, 1),
    ]
    # Of a single one there is nothing to say.
    assert recommender.recommend_to(query[0], [], 1)[0].vector_index is None
    hidden = recommender.recommend_to(query, [100, 101], 3)
    assert [(one.item_id, one.vector_index) for one in hidden] == [(102, 1)]


def test_a_quota_is_kept_to_for_one_user_too():
    items = np.array([[0.8, 0.6], [0.6, 0.8], [0, 1], [0.1, 0.99**0.5]], np.float32)
    found = Recommender(bundle_of(items)).recommend_to(np.eye(2), [], 2, quota=1)
    assert [(one.item_id, one.vector_index) for one in found] == [(102, 1), (100, 0)]
