"""Requests that people get wrong: a plain refusal, never an error of a library."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.odd_values import CALLS, NO_NUMBER_ID, NO_TEXT_ID, REQUESTS
from tests.serving.test_service import service
from two_tower.serving.service import Answer, Request

pytestmark = pytest.mark.backend


def pairs(odd):
    return [
        pytest.param(name, value, id=f"{name}-{type(value).__name__}-{number}")
        for name, values in odd.items()
        for number, value in enumerate(values)
    ]


def refusal(answers, request, **options) -> str:
    """Return the message of a refusal, which is this project's own."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any message
        answers.recommend(request, **({"k": 3} | options))
    assert caught.type is ValueError  # Arrow's and Unicode's errors are subclasses
    return str(caught.value)


@pytest.fixture(scope="module")
def answers():
    return service()


# covers: L29
@pytest.mark.parametrize(("name", "value"), pairs(REQUESTS))
def test_an_odd_value_of_a_request_is_refused_by_name(answers, name, value):
    request = Request(**({"history": ["a", "b"], "user_id": 10} | {name: value}))
    message = refusal(answers, request)
    assert name.removesuffix("s") in message
    assert len(message) < 400


# covers: L29
@pytest.mark.parametrize(("name", "value"), pairs(CALLS))
def test_an_odd_option_is_refused_by_name(answers, name, value):
    arguments = {"request": Request(["a"])} | {name: value}
    assert name in refusal(answers, **arguments)


@pytest.mark.parametrize("request_", [Request(user_id=10), Request(["a"]), Request()])
@pytest.mark.parametrize("name", ["k", "cold_start"])
def test_an_odd_option_is_refused_for_warm_and_cold_requests(answers, name, request_):
    assert name in refusal(answers, request_, **{name: CALLS[name][0]})


@pytest.mark.parametrize(
    "request_",
    [
        Request(("a", "b"), user_id=np.int64(10)),
        Request(np.array(["a", "b"]), timestamps=np.array([5, 5])),
        Request(pa.array(["a", "b"]), ratings=pa.array([4.5, None])),
        Request(["a", "a", "unheard of", "x" * 10_000], asked_at=0),
        Request(["a"] * 3000, timestamps=[None, -5, *[978_300_760] * 2998]),
        Request([], features={}),
        Request(["a"], features={"age": None, "likes": [], "occupation": "spy"}),
        Request(["a"], features={"age": np.float32(3), "likes": ("cats", None)}),
        Request(user_id=2**62),
    ],
)
def test_an_unusual_request_is_answered(answers, request_):
    assert len(answers.recommend(request_, np.int32(2))) == 2
    assert len(answers.recommend(request_, 10**15, quota=10**15)) >= 4


def test_ids_that_are_numbers_and_text_are_not_mixed_up():
    numbers = service(ids=[1, 2, 3, 4, 5, 6])
    for value in NO_NUMBER_ID:
        message = refusal(numbers, Request([1, value]))
        assert "history[1]" in message
        assert "whole numbers, such as 1" in message
    for value in NO_TEXT_ID:
        assert "text, such as 'a'" in refusal(service(), Request(["a", value]))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.datetimes(),
    st.sampled_from(["a", "b", 10, 20, "artist", "cats"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(
            st.one_of(st.sampled_from(["age", "occupation", "likes", "zip"]), SCALARS),
            inner,
            max_size=2,
        ),
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.sampled_from(sorted(REQUESTS)), VALUES, max_size=3)


def outcome(answers, request, k) -> Answer | Exception:
    try:
        return answers.recommend(request, k)
    except Exception as error:  # noqa: BLE001 - any error at all
        return error


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(FIELDS, st.booleans(), st.one_of(st.just(3), VALUES))
def test_any_request_is_answered_or_refused(answers, fields, has_history, k):
    request = Request(**({"history": ["a", "b"]} if has_history else {}) | fields)
    found = outcome(answers, request, k)
    assert type(found) in {Answer, ValueError}
    assert not isinstance(found, Answer) or len(found) <= min(k, 6)
