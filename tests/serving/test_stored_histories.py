"""Requests of known users, answered from what is stored of them."""

import ibis
import pyarrow as pa
import pytest

from tests.serving.build import event_tower
from tests.serving.test_service import bundle, ids_of, service
from two_tower.serving.service import Request, RetrievalService
from two_tower.serving.stored_histories import StoredHistories, StoredUser

pytestmark = pytest.mark.backend

# User 10 has done a and b, and rated d low; user 30 has only rated c low; user 40 is
# none of the model.
HISTORIES = {
    "user_id": [10, 40],
    "item_ids": [["a", "b"], ["e"]],
    "timestamps": [[100, 200], [300]],
    "ratings": pa.array([[5, None], [4]], pa.list_(pa.float32())),
}
INTERACTIONS = {
    "user_id": [10, 10, 10, 10, 30, 40],
    "item_id": ["a", "d", "b", "a", "c", "e"],
}


def read(histories=HISTORIES, interactions=INTERACTIONS):
    tables = (ibis.memtable(pa.table(table)) for table in (histories, interactions))
    return StoredHistories.read(*tables)


def test_a_stored_user_has_a_history_and_all_seen_items():
    stored = read()
    found = stored.find(10)
    assert found[:3] == (["a", "b"], [100, 200], [5.0, None])
    assert sorted(found.seen_ids) == ["a", "b", "d"]
    assert stored.find(30) == StoredUser([], [], [], ["c"])
    assert stored.find(20) is None


@pytest.mark.parametrize("user", ["10", 10.0, True, None])
def test_a_value_that_is_no_id_has_nothing_stored(user):
    assert read().find(user) is None


# covers: L30
@pytest.mark.parametrize("sides", ["both", "history"])
@pytest.mark.parametrize("user", [10, 40])
def test_a_user_id_alone_is_answered_from_the_stored_history(sides, user):
    answers = service(sides=sides, stored=read())
    stored = answers.stored.find(user)
    found = answers.recommend(Request(user_id=user), 6)
    given = answers.recommend(Request(stored.item_ids, user_id=user), 6)
    assert (found.source, found.cold_start) == ("stored_history", None)
    assert given.source == "history"
    assert found.items == given.items
    assert set(ids_of(found)) == set("abcdef") - set(stored.seen_ids)


def test_a_stored_history_comes_with_its_times_and_ratings():
    tower = event_tower()
    answers = RetrievalService(tower, bundle(tower), read())
    events = {"timestamps": [100, 200], "ratings": [5, None]}
    found = answers.recommend(Request(user_id=10, asked_at=5000), 3)
    given = answers.recommend(Request(["a", "b"], 10, **events, asked_at=5000), 3)
    assert found.items == given.items
    plain = answers.recommend(Request(["a", "b"], 10, asked_at=5000), 3)
    assert [one.score for one in plain] != [one.score for one in found]


# covers: L30
def test_what_a_user_has_seen_is_masked_whatever_history_the_request_brings():
    answers = service(sides="history", stored=read())
    for request in (Request(["f"], user_id=10), Request([], user_id=10)):
        found = ids_of(answers.recommend(request, 6))
        assert set(found) == set("abcdef") - {"a", "b", "d", *request.history}
    popular = answers.recommend(Request(user_id=30), 6, cold_start="popular")
    assert set(ids_of(popular)) == set("abdef")
    assert len(answers.recommend(Request(["f"]), 6)) == 5


# covers: L30
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(), "the request has neither a history nor a user"),
        (Request([], user_id=10), "the history is empty"),
        (Request(user_id=30), "no history of user 30 is stored"),
        (Request(user_id=99), "no history of user 99 is stored"),
        (Request(["x", "y"]), "none of the 2 history items is in the vocabulary"),
    ],
)
@pytest.mark.parametrize("policy", ["learned", "average", "popular"])
def test_a_cold_start_is_stated_with_its_reason(request_, reason, policy):
    answers = service(sides="history", stored=read())
    found = answers.recommend(request_, 3, cold_start=policy)
    assert (found.source, found.cold_start) == (policy, reason)


def test_an_answer_says_what_it_is_made_from():
    answers = service()
    assert answers.recommend(Request(user_id=10), 3).source == "profile"
    found = answers.recommend(Request(["a", "x", "y"]), 3)
    assert (found.source, found.cold_start, found.n_skipped) == ("history", None, 2)
    unknown = answers.recommend(Request(["x"], user_id=10), 3)
    assert (unknown.source, unknown.n_skipped) == ("profile", 1)
    cold = answers.recommend(Request(user_id=99), 3)
    assert cold.cold_start == (
        "user 99 is not a user of the model; the model knows neither the user nor a "
        "feature value"
    )


# covers: L29
def test_a_user_of_the_model_without_any_history_is_refused():
    answers = service(sides="history")
    with pytest.raises(
        ValueError,
        match=r"user 10 is a user of the model, .*; open it with StoredHistories, or",
    ):
        answers.recommend(Request(user_id=10), 3, cold_start="popular")
    assert answers.recommend(Request([], user_id=10), 3).cold_start
    assert answers.recommend(Request(user_id=99), 3).cold_start


@pytest.mark.parametrize("what", ["users", "items"])
def test_stored_ids_of_another_type_are_refused(what):
    histories, interactions = dict(HISTORIES), dict(INTERACTIONS)
    if what == "users":
        histories["user_id"] = ["10", "40"]
        interactions["user_id"] = ["10"] * 6
    else:
        histories["item_ids"] = [[1, 2], [3]]
        interactions["item_id"] = [1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match=f"ids of the stored {what} are"):
        service(stored=read(histories, interactions))


@pytest.mark.parametrize("name", ["timestamps", "ratings"])
def test_times_and_ratings_need_the_history_they_are_of(name):
    answers = service(stored=read())
    with pytest.raises(ValueError, match=f"{name} are given without a history"):
        answers.recommend(Request(user_id=10, **{name: [5, 5]}), 3)
