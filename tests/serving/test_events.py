"""Requests with times and ratings, and users of several vectors."""

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from tests.index.fabricate import bundle_of
from tests.serving.build import ITEM_IDS, make_query_tower, shared_tower
from two_tower.index.rescoring import nearest_vector
from two_tower.ragged import Ragged
from two_tower.serving.requests import RequestEvents
from two_tower.serving.service import Request, RetrievalService
from two_tower.towers.events import Events, event_fields

pytestmark = pytest.mark.backend

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
DENSE = np.arange(2, 8, dtype=np.int32)


@cache
def event_tower(n_vectors=1, *, user_id=False):
    return make_query_tower(sides="events", n_vectors=n_vectors, user_id=user_id)


def lists(*histories):
    return pa.array(histories, pa.list_(pa.string()))


def seconds(*rows):
    return pa.array(rows, pa.list_(pa.int64()))


def stars(*rows):
    return pa.array(rows, pa.list_(pa.float32()))


def answers_of(tower, items, users, timestamps, ratings, asked_at):
    """Return the model's own vectors for dense ids, called as it is."""
    histories = Ragged.from_lists(items)
    events = Events.from_arrow(
        seconds(*timestamps), stars(*ratings), pa.array(asked_at, pa.int64())
    )
    width = tower.towers.max_length
    fields = event_fields(histories, events, width, request_time=True)
    return np.asarray(tower.towers(fields | {"users": np.int32(users)}))


# covers: A1 A32
@pytest.mark.parametrize(("n_vectors", "shape"), [(1, (2, 4)), (2, (2, 2, 4))])
def test_times_and_ratings_go_with_the_items_of_a_request(n_vectors, shape):
    tower = event_tower(n_vectors, user_id=True)
    events = RequestEvents(
        seconds([50, 7200], [None]), stars([None, 4.5], [1]), pa.array([9000, None])
    )
    found = tower.encode(lists(["c", "a"], ["f"]), [30, 10], events=events)
    expected = answers_of(
        tower,
        [[4, 2], [7]],
        [4, 2],
        [[50, 7200], [None]],
        [[None, 4.5], [1]],
        [9000, None],
    )
    assert found.shape == shape
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_an_unknown_item_is_left_out_with_its_events():
    tower = event_tower()
    found = tower.encode(
        lists(["b", "new", "c"], None),
        events=RequestEvents(seconds([5, 6, 7], None), stars([1, 5, 2], [])),
    )
    expected = tower.encode(
        lists(["b", "c"], []),
        events=RequestEvents(seconds([5, 7], []), stars([1, 2], [])),
    )
    np.testing.assert_array_equal(found, expected)


def test_what_does_not_come_with_a_request_is_unknown():
    tower, nothing = event_tower(), [[None, None]]
    found = tower.encode(lists(["b", "c"]))
    expected = answers_of(tower, [[3, 4]], [1], nothing, nothing, [None])
    np.testing.assert_allclose(found, expected, **CLOSE)
    some = tower.encode(lists(["b", "c"]), events=RequestEvents(ratings=stars([1, 5])))
    expected = answers_of(tower, [[3, 4]], [1], nothing, [[1, 5]], [None])
    np.testing.assert_allclose(some, expected, **CLOSE)


def test_towers_of_items_alone_read_no_events():
    events = RequestEvents(seconds([5]), stars([1]), pa.array([9]))
    requests = shared_tower().read(lists(["a"]), events=events)
    assert requests.events is None


# covers: L29
@pytest.mark.parametrize(
    ("events", "message"),
    [
        (
            RequestEvents(timestamps=seconds([1, 2], [3])),
            "timestamps of request 1 has 1 entries for 2 items; give one for each",
        ),
        (RequestEvents(ratings=stars([1, 2])), "ratings has 1 lists for 2 histories"),
        (RequestEvents(asked_at=pa.array([1])), "asked_at has 1 entries for 2 requ"),
        (
            RequestEvents(
                timestamps=pa.array([[datetime(2020, 1, 1, tzinfo=UTC)] * 2] * 2)
            ),
            "timestamps are timestamp.*; give whole seconds since 1970",
        ),
        (RequestEvents(asked_at=pa.array([1.5, 2.0])), "asked_at are double; give"),
        (
            RequestEvents(ratings=pa.array([["*", "**"]] * 2)),
            "ratings are string; give numbers",
        ),
    ],
)
def test_events_that_make_no_sense_are_refused(events, message):
    histories = lists(["a", "b"], ["a", "c"])
    with pytest.raises(ValueError, match=message):
        event_tower().encode(histories, events=events)


# covers: A14 L30
@pytest.mark.parametrize(
    ("user_id", "cold_start_users"),
    [(False, [True, True, False]), (True, [False, True, False])],
)
def test_a_user_is_known_by_an_id_only_where_ids_are_read(user_id, cold_start_users):
    tower = event_tower(user_id=user_id)
    requests = tower.read(lists([], [], ["a"]), [10, 99, None])
    assert tower.find_cold_start_users(requests).tolist() == cold_start_users


# covers: A33 L30
def test_the_average_query_is_the_direction_of_the_mean_of_all_vectors():
    tower = event_tower(2)
    queries = answers_of(
        tower,
        [[2, 3], [], [4]],
        [2, 3, 4],
        [[7200, 9000], [], [5]],
        [[1, None], [], [5]],
        [None] * 3,
    )
    mean = queries.astype(np.float64).mean(axis=(0, 1))
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(tower.cold_query("average"), expected, **CLOSE)
    learned = answers_of(tower, [[]], [1], [[]], [[]], [None])[0]
    assert learned.shape == (2, 4)
    np.testing.assert_allclose(tower.cold_query("learned"), learned, **CLOSE)


def service(n_vectors):
    tower = event_tower(n_vectors)
    return RetrievalService(
        tower, bundle_of(tower.encode_items(DENSE), item_ids=ITEM_IDS)
    )


# covers: A33 N17
@pytest.mark.parametrize("n_vectors", [1, 2])
def test_a_request_gets_the_items_that_are_nearest_to_any_vector(n_vectors):
    answers = service(n_vectors)
    request = Request(
        ["a", "b"], timestamps=[100, None], ratings=[5, 1.5], asked_at=8000
    )
    found = answers.recommend(request, 4)
    queries = answers_of(
        answers.tower, [[2, 3]], [1], [[100, None]], [[5, 1.5]], [8000]
    ).reshape(n_vectors, -1)
    scores = (queries @ answers.tower.encode_items(DENSE).T).max(axis=0)
    best = [
        name for name in np.array(ITEM_IDS)[np.argsort(-scores)] if name not in "ab"
    ]
    assert [item.item_id for item in found] == best
    expected = np.sort(scores[2:])[::-1]
    np.testing.assert_allclose([item.score for item in found], expected, **CLOSE)


# covers: A10 A11
@pytest.mark.parametrize(
    "change",
    [{"timestamps": [80_000, 89_000]}, {"ratings": [1, 1]}, {"asked_at": 10**6}],
)
def test_times_and_ratings_change_the_answer(change):
    answers, known = service(1), {"timestamps": [5, 89_990], "ratings": [5, 5]}
    known["asked_at"] = 90_000
    plain = answers.recommend(Request(["a", "b"], **known), 4)
    moved = answers.recommend(Request(["a", "b"], **known | change), 4)
    assert [item.score for item in plain] != [item.score for item in moved]


# covers: L30
@pytest.mark.parametrize("policy", ["learned", "average"])
def test_a_stranger_is_served_by_the_cold_queries(policy):
    answers = service(2)
    expected = answers.recommender.recommend_to(answers.tower.cold_query(policy), [], 3)
    found = answers.recommend(Request(["unheard of"]), 3, cold_start=policy)
    assert [item.item_id for item in found] == [item.item_id for item in expected]


# covers: X6
def test_each_item_names_its_vector_and_a_quota_is_passed_on():
    answers, request = service(2), Request(["a", "b"], timestamps=[100, 200])
    queries = answers.tower.encode_indices(
        *answers.tower.read(
            pa.array([["a", "b"]]), events=RequestEvents(pa.array([[100, 200]]))
        )
    )
    hidden = Ragged.from_lists([[0, 1]], np.int64)
    for quota in (None, 1):
        found = answers.recommend(request, 2, quota=quota)
        expected = answers.recommender.recommend(queries, hidden, 2, quota=quota)
        ids = np.array(ITEM_IDS)[expected.indices[0]]
        assert [item.item_id for item in found] == ids.tolist()
        vectors = answers.recommender.bundle.vectors
        nearest = nearest_vector(queries, vectors, expected.indices)[0]
        assert [item.vector_index for item in found] == nearest.tolist()
    average = answers.recommend(Request(), 2, cold_start="average", quota=1)
    assert [item.vector_index for item in average] == [None, None]
