"""Requests to transformers that read when events were and when they are asked."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from tests.index.fabricate import bundle_of
from tests.serving.build import ITEM_IDS, make_query_tower
from tests.serving.test_events import CLOSE, DENSE, answers_of, lists, seconds, stars
from two_tower.serving.requests import RequestEvents
from two_tower.serving.service import Request, RetrievalService

pytestmark = pytest.mark.backend


@cache
def timed_tower():
    return make_query_tower(sides="timed")


def encode(asked_at):
    """Return the query of a history of two items, asked for at a second."""
    events = RequestEvents(
        seconds([50, 7200]), stars([None, 4]), pa.array([asked_at], pa.int64())
    )
    return timed_tower().encode(lists(["c", "a"]), events=events)


@pytest.mark.parametrize("asked_at", [7200, 9000, 10**6])
def test_a_request_is_read_at_its_time(asked_at):
    expected = answers_of(
        timed_tower(), [[4, 2]], [1], [[50, 7200]], [[None, 4]], [asked_at]
    )
    np.testing.assert_allclose(encode(asked_at), expected, **CLOSE)


def test_a_request_of_no_time_is_asked_when_its_newest_event_comes():
    np.testing.assert_allclose(encode(None), encode(7200), **CLOSE)
    assert np.abs(encode(10**6) - encode(7200)).max() > 1e-3


def test_a_request_without_times_has_a_query_of_its_own():
    found = timed_tower().encode(lists(["c", "a"], []))
    assert np.isfinite(found).all()
    assert np.abs(found[0] - encode(7200)).max() > 1e-3


def test_stored_users_are_read_with_their_times():
    average = timed_tower().average_query
    assert np.linalg.norm(average) == pytest.approx(1, rel=1e-5)


def service():
    vectors = timed_tower().encode_items(DENSE)
    return RetrievalService(timed_tower(), bundle_of(vectors, item_ids=ITEM_IDS))


def test_the_service_answers_for_the_time_it_is_asked_at():
    answers, known = service(), {"timestamps": [50, 7200]}
    found = answers.recommend(Request(["c", "a"], **known, asked_at=10**6), 4)
    scores = (encode(10**6) @ timed_tower().encode_items(DENSE).T)[0]
    best = [ITEM_IDS[place] for place in np.argsort(-scores)]
    assert [item.item_id for item in found] == [
        name for name in best if name not in "ac"
    ]
    now = answers.recommend(Request(["c", "a"], **known), 4)
    assert [item.score for item in now] != [item.score for item in found]


def test_the_service_knows_strangers():
    found = service().recommend(Request(["unheard of"], timestamps=[5]), 3)
    query = timed_tower().cold_query("learned")
    expected = service().recommender.recommend_to(query, [], 3)
    assert [item.item_id for item in found] == [item.item_id for item in expected]
