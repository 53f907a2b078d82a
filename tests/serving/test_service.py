"""One request at a time, and the pair of query tower and index that answers it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.index.fabricate import bundle_of
from tests.serving.build import ITEM_IDS, make_query_tower, shared_tower
from two_tower.serving.service import Request, RetrievalService

pytestmark = pytest.mark.backend

DENSE = np.arange(2, 8, dtype=np.int32)


def bundle(tower, **changes):
    vectors = tower.encode_items(DENSE)
    return bundle_of(
        changes.get("vectors", vectors), item_ids=changes.get("ids", ITEM_IDS)
    )


def service(**options):
    tower = make_query_tower(**options) if options else shared_tower()
    return RetrievalService(tower, bundle(tower))


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
    scores = np.asarray(towers(batch)) @ np.asarray(towers.item_vectors(DENSE)).T
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
def test_a_user_of_whom_nothing_is_known_is_served_by_the_policy(user_id):
    answers = service()
    stranger = Request(history=["unheard of"], user_id=user_id)
    popular = answers.recommend(stranger, 3, cold_start="popular")
    assert ids_of(popular) == ["b", "a", "d"]
    assert popular[0].score == pytest.approx(9 / 20)
    for policy in ("average", "learned"):
        expected = answers.recommender.recommend_to(
            answers.tower.cold_query(policy), [], 3
        )
        found = answers.recommend(stranger, 3, cold_start=policy)
        assert ids_of(found) == ids_of(expected)
        scores = [item.score for item in expected]
        assert [item.score for item in found] == pytest.approx(scores, abs=1e-6)


# covers: L30
@pytest.mark.parametrize(
    "request_", [Request(["a"]), Request(user_id=10), Request(features={"age": 30})]
)
def test_a_user_of_whom_anything_is_known_is_no_stranger(request_):
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
        ("history", Request(user_id=10)),
        ("profile", Request(["a"], user_id=99)),
        ("profile", Request(["a"], features={"occupation": "spy"})),
    ],
)
def test_what_the_towers_do_not_read_makes_nobody_known(sides, request_):
    found = service(sides=sides).recommend(request_, 3, cold_start="popular")
    seen = request_.history
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
def test_either_side_alone_knows_what_it_reads(sides, request_):
    answers = service(sides=sides)
    usual = answers.recommend(request_, 3)
    assert answers.recommend(request_, 3, cold_start="popular") == usual


def test_a_user_without_a_row_of_their_own_is_known_by_stored_features_alone():
    tower = make_query_tower(sides="profile")
    tower.towers.profile.set_known(np.zeros(5, bool))
    requests = tower.read(pa.array([[], []]), [30, None])
    assert tower.find_cold_start_users(requests).tolist() == [False, True]


# covers: L30
def test_profiles_that_never_met_nobody_have_no_learned_query():
    answers = service(sides="profile")
    with pytest.raises(ValueError, match="not trained; choose average or popular"):
        answers.recommend(Request(user_id=99), 3, cold_start="learned")
    dropping = service(sides="profile", id_dropout=0.1)
    assert len(dropping.recommend(Request(), 3, cold_start="learned")) == 3


def test_an_item_of_another_type_is_refused_by_name():
    towers = shared_tower()
    numbers = towers.vocabularies.items.set_column(1, "item_id", [[1, 2, 3, 4, 5, 6]])
    known = replace(towers.vocabularies, items=numbers)
    tower = replace(towers, vocabularies=known)
    answers = RetrievalService(tower, bundle(tower, ids=[1, 2, 3, 4, 5, 6]))
    with pytest.raises(ValueError, match="ids of the items are string, but those of"):
        answers.recommend(Request(["a"]), 3)


# covers: L29
def test_a_strict_request_names_what_is_unknown():
    with pytest.raises(ValueError, match=r"1 of 1 users.*\[99\]"):
        service().recommend(Request(user_id=99), 3, cold_start="popular", strict=True)


# covers: X9
def test_an_index_of_other_items_is_refused():
    tower = shared_tower()
    other = bundle(tower, ids=[*"abcdeg"])
    with pytest.raises(ValueError, match="they are others; run: kedro run --pipelines"):
        RetrievalService(tower, other)


# covers: X9
@pytest.mark.parametrize("normalise", [True, False])
def test_an_index_of_another_model_is_refused(normalise):
    tower = shared_tower()
    other = bundle(make_query_tower(normalise=normalise, seed=5))
    with pytest.raises(ValueError, match="other item vectors than the query tower"):
        RetrievalService(tower, other)


def test_a_tower_is_compared_with_its_own_vocabulary():
    tower = shared_tower()
    fewer = replace(tower.vocabularies, items=tower.vocabularies.items.slice(0, 5))
    with pytest.raises(ValueError, match="index has 6 items and the query tower 5"):
        RetrievalService(replace(tower, vocabularies=fewer), bundle(tower))
