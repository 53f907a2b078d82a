"""Recommendations for one request, and the pair of query tower and index."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.index.fabricate import bundle_of
from tests.serving.build import (
    ITEM_IDS,
    event_tower,
    event_vectors,
    make_query_tower,
    shared_tower,
)
from two_tower.index.rescoring import nearest_vector
from two_tower.ragged import Ragged
from two_tower.serving.requests import RequestEvents
from two_tower.serving.service import Request, RetrievalService

pytestmark = pytest.mark.backend

ITEM_INDICES = np.arange(2, 8, dtype=np.int32)


def bundle(tower, **changes):
    vectors = tower.encode_items(ITEM_INDICES)
    return bundle_of(
        changes.get("vectors", vectors), item_ids=changes.get("ids", ITEM_IDS)
    )


def service(ids=None, stored=None, **options):
    tower = make_query_tower(**options) if options else shared_tower()
    if ids is not None:
        items = tower.vocabularies.items.set_column(1, "item_id", [ids])
        tower = replace(tower, vocabularies=replace(tower.vocabularies, items=items))
    return RetrievalService(tower, bundle(tower, ids=ids or ITEM_IDS), stored)


def ids_of(found):
    return [item.item_id for item in found]


# covers: N17 N18
@pytest.mark.parametrize("normalise", [True, False])
def test_a_request_gets_the_items_of_the_highest_score_with_titles(normalise):
    answers = service(normalise=normalise)
    found = answers.recommend(Request(["a", "b"], user_id=20), 4)
    history = pa.array([["a", "b"]])
    towers = answers.tower.towers
    batch = {
        "items": np.int32([[2, 3] + [0] * 6]),
        "lengths": np.int32([2]),
        "users": np.int32([3]),
    }
    scores = np.asarray(towers(batch)) @ np.asarray(towers.item_vectors(ITEM_INDICES)).T
    best = [ITEM_IDS[i] for i in np.argsort(-scores[0])]
    assert ids_of(found) == [name for name in best if name not in history[0].as_py()]
    assert found[0].title == f"Film {found[0].item_id}"


# covers: L30
def test_features_of_the_request_change_the_answer():
    answers = service()
    plain = answers.recommend(Request(user_id=20), 6)
    moved = answers.recommend(Request(user_id=20, features={"age": 90}), 6)
    assert [item.score for item in plain] != [item.score for item in moved]


# covers: L30
@pytest.mark.parametrize("user_id", [None, 99])
def test_a_cold_start_request_is_served_by_the_policy(user_id):
    answers = service()
    request_ = Request(history=["unheard of"], user_id=user_id)
    popular = answers.recommend(request_, 3, cold_start="popular")
    assert ids_of(popular) == ["b", "a", "d"]
    assert popular[0].score == pytest.approx(9 / 20)
    for policy in ("average", "learned"):
        expected = answers.recommender.recommend_to(
            answers.tower.cold_start_query(policy), [], 3
        )
        found = answers.recommend(request_, 3, cold_start=policy)
        assert ids_of(found) == ids_of(expected)
        scores = [item.score for item in expected]
        assert [item.score for item in found] == pytest.approx(scores, abs=1e-6)


# covers: L30
@pytest.mark.parametrize(
    "request_", [Request(["a"]), Request(user_id=10), Request(features={"age": 30})]
)
def test_a_request_with_any_known_input_is_warm(request_):
    answers = service()
    usual = answers.recommend(request_, 3)
    assert answers.recommend(request_, 3, cold_start="popular") == usual


# covers: L30
@pytest.mark.parametrize(
    ("sides", "request_"),
    [
        ("both", Request(features={"occupation": None})),
        ("both", Request(features={"occupation": "spy", "likes": []})),
        ("both", Request(features={"age": None})),
        ("history", Request([], user_id=10)),
        ("profile", Request(["a"], user_id=99)),
        ("profile", Request(["a"], features={"occupation": "spy"})),
    ],
)
def test_inputs_that_the_towers_do_not_read_make_no_warm_user(sides, request_):
    found = service(sides=sides).recommend(request_, 3, cold_start="popular")
    seen = request_.history or ()
    assert (
        ids_of(found) == [name for name in ["b", "a", "d", "e"] if name not in seen][:3]
    )


# covers: L30
@pytest.mark.parametrize(
    ("sides", "request_"),
    [
        ("history", Request(["a"])),
        ("profile", Request(user_id=10)),
        ("profile", Request(features={"occupation": "artist"})),
    ],
)
def test_any_input_that_the_towers_read_makes_a_warm_user(sides, request_):
    answers = service(sides=sides)
    usual = answers.recommend(request_, 3)
    assert answers.recommend(request_, 3, cold_start="popular") == usual


def test_a_user_without_an_embedding_is_warm_by_stored_features():
    tower = make_query_tower(sides="profile")
    tower.towers.profile.set_trained(np.zeros(5, bool))
    requests = tower.read(pa.array([[], []]), [30, None])
    assert tower.find_cold_start_users(requests).tolist() == [False, True]


# covers: L30
def test_profiles_without_id_dropout_have_no_learned_query():
    answers = service(sides="profile")
    with pytest.raises(
        ValueError, match=r"not learned a query .* choose average or popular"
    ):
        answers.recommend(Request(user_id=99), 3, cold_start="learned")
    dropping = service(sides="profile", id_dropout=0.1)
    assert len(dropping.recommend(Request(), 3, cold_start="learned")) == 3


def test_an_item_of_another_type_is_refused_by_name():
    answers = service(ids=[1, 2, 3, 4, 5, 6])
    with pytest.raises(ValueError, match=r"history\[0\] is 'a', but .* whole numbers"):
        answers.recommend(Request(["a"]), 3)


# covers: L29
def test_a_strict_request_names_what_is_out_of_vocabulary():
    with pytest.raises(ValueError, match=r"1 of 1 users.*\[99\]"):
        service().recommend(Request(user_id=99), 3, cold_start="popular", strict=True)


# covers: X9
def test_an_index_of_other_items_is_refused():
    tower = shared_tower()
    other = bundle(tower, ids=[*"abcdeg"])
    with pytest.raises(
        ValueError, match=r"6 items of the index are not the 6 items .*; run: kedro"
    ):
        RetrievalService(tower, other)


# covers: X9
@pytest.mark.parametrize("normalise", [True, False])
def test_an_index_of_another_model_is_refused(normalise):
    tower = shared_tower()
    other = bundle(make_query_tower(normalise=normalise, seed=5))
    with pytest.raises(ValueError, match="item vectors of the index are not those"):
        RetrievalService(tower, other)


def test_a_tower_is_compared_with_its_own_vocabulary():
    tower = shared_tower()
    fewer = replace(tower.vocabularies, items=tower.vocabularies.items.slice(0, 5))
    with pytest.raises(ValueError, match="6 items of the index are not the 5 items"):
        RetrievalService(replace(tower, vocabularies=fewer), bundle(tower))


def event_service(n_vectors):
    tower = event_tower(n_vectors)
    return RetrievalService(tower, bundle(tower))


# covers: A33 N17
@pytest.mark.parametrize("n_vectors", [1, 2])
def test_a_request_gets_the_items_that_are_nearest_to_any_vector(n_vectors):
    answers = event_service(n_vectors)
    request = Request(
        ["a", "b"], timestamps=[100, None], ratings=[5, 1.5], asked_at=8000
    )
    found = answers.recommend(request, 4)
    queries = event_vectors(
        answers.tower, [[2, 3]], [1], [[100, None]], [[5, 1.5]], [8000]
    ).reshape(n_vectors, -1)
    scores = (queries @ answers.tower.encode_items(ITEM_INDICES).T).max(axis=0)
    best = [
        name for name in np.array(ITEM_IDS)[np.argsort(-scores)] if name not in "ab"
    ]
    assert [item.item_id for item in found] == best
    expected = np.sort(scores[2:])[::-1]
    np.testing.assert_allclose(
        [item.score for item in found], expected, rtol=1e-5, atol=1e-6
    )


# covers: A10 A11
@pytest.mark.parametrize(
    "change",
    [{"timestamps": [80_000, 89_000]}, {"ratings": [1, 1]}, {"asked_at": 10**6}],
)
def test_times_and_ratings_change_the_answer(change):
    answers, events = event_service(1), {"timestamps": [5, 89_990], "ratings": [5, 5]}
    events["asked_at"] = 90_000
    plain = answers.recommend(Request(["a", "b"], **events), 4)
    moved = answers.recommend(Request(["a", "b"], **events | change), 4)
    assert [item.score for item in plain] != [item.score for item in moved]


# covers: L30
@pytest.mark.parametrize("policy", ["learned", "average"])
def test_a_cold_start_request_to_event_towers_is_served_by_the_policy(policy):
    answers = event_service(2)
    expected = answers.recommender.recommend_to(
        answers.tower.cold_start_query(policy), [], 3
    )
    found = answers.recommend(Request(["unheard of"]), 3, cold_start=policy)
    assert [item.item_id for item in found] == [item.item_id for item in expected]


# covers: X6
def test_each_item_has_its_vector_and_a_quota_holds():
    answers, request = event_service(2), Request(["a", "b"], timestamps=[100, 200])
    queries = answers.tower.encode_indices(
        *answers.tower.read(
            pa.array([["a", "b"]]), events=RequestEvents(pa.array([[100, 200]]))
        )
    )
    seen = Ragged.from_lists([[0, 1]], np.int64)
    for quota in (None, 1):
        found = answers.recommend(request, 2, quota=quota)
        expected = answers.recommender.recommend(queries, seen, 2, quota=quota)
        ids = np.array(ITEM_IDS)[expected.indices[0]]
        assert [item.item_id for item in found] == ids.tolist()
        vectors = answers.recommender.bundle.vectors
        nearest = nearest_vector(queries, vectors, expected.indices)[0]
        assert [item.vector_index for item in found] == nearest.tolist()
    average = answers.recommend(Request(), 2, cold_start="average", quota=1)
    assert [item.vector_index for item in average] == [None, None]


def test_the_service_answers_for_the_request_time():
    tower = make_query_tower(sides="timed")
    answers, events = RetrievalService(tower, bundle(tower)), {"timestamps": [50, 7200]}
    found = answers.recommend(Request(["c", "a"], **events, asked_at=10**6), 4)
    query = event_vectors(tower, [[4, 2]], [1], [[50, 7200]], [[None, None]], [10**6])
    scores = (query @ tower.encode_items(ITEM_INDICES).T)[0]
    best = [ITEM_IDS[item] for item in np.argsort(-scores)]
    assert ids_of(found) == [name for name in best if name not in "ac"]
    now = answers.recommend(Request(["c", "a"], **events), 4)
    assert [item.score for item in now] != [item.score for item in found]
    cold = answers.recommend(Request(["unheard of"], timestamps=[5]), 3)
    learned = answers.recommender.recommend_to(tower.cold_start_query("learned"), [], 3)
    assert ids_of(cold) == ids_of(learned)
