"""Values that requests get wrong, by the argument that they are given for."""

from datetime import UTC, datetime

import numpy as np

NAN, INFINITY = float("nan"), float("inf")
SURROGATE = "\ud800"  # text that UTF-8 has no bytes for
HUGE = 2**70
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

NO_LIST = ["ab", b"ab", 5, 1.5, True, {"a": 1}, {"a"}, object(), np.array([["a"]])]
NO_TEXT_ID = [None, 1, 1.5, NAN, True, b"a", ["a"], {}, MOMENT, SURROGATE, np.int64(1)]
NO_NUMBER_ID = ["1", "", "a", None, 1.0, NAN, True, b"1", [1], {}, MOMENT, HUGE, -HUGE]
NO_COUNT = [0, -1, -HUGE, 1.0, 2.5, NAN, INFINITY, "3", "", True, False, [3], {}, b"3"]
NO_SECOND = ["5", 1.5, NAN, True, [5], {}, MOMENT, HUGE, 978_300_760_000, -(10**12)]
NO_RATING = ["5", NAN, INFINITY, -INFINITY, True, [5], {}, b"5", MOMENT, 1e300, 10**400]

CALLS = {
    "k": [*NO_COUNT, None],
    "quota": NO_COUNT,
    "cold_start": ["", "random", "Popular", None, 5, ["popular"], True, {}, b"popular"],
    "strict": [None, 0, 1, "yes", "", [], {}],
    "request": [None, {}, {"history": ["a"]}, "a", ["a"], 5],
}
REQUESTS = {
    "history": [*NO_LIST, *([value] for value in NO_TEXT_ID), ["a", None]],
    "user_id": [value for value in NO_NUMBER_ID if value is not None],
    "timestamps": [
        *NO_LIST,
        *([1, value] for value in NO_SECOND),
        [],
        [1],
        [1, 2, 3],
        [5, 4],
    ],
    "ratings": [*NO_LIST, *([1, value] for value in NO_RATING), [], [1], [1, 2, 3]],
    "asked_at": NO_SECOND,
    "features": [
        *(value for value in NO_LIST if not isinstance(value, dict)),
        {1: 5},
        {None: 5},
        {SURROGATE: 5},
        {"": 5},
        {"agee": 5},
        {"user_id": 5},
        {"job": "artist"},  # the feature's name; its column is `occupation`
        *({"age": value} for value in [NAN, INFINITY, HUGE, [5], {}, b"5", SURROGATE]),
        *({"age": value} for value in ["old", object(), MOMENT, {"a"}]),
        *({"occupation": value} for value in [["artist"], {}, b"x", SURROGATE, NAN]),
        *({"zip": value} for value in [["55"], [5, "a"], {}, object()]),
        *({"likes": value} for value in ["cats", 5, [["cats"]], ["cats", 5], {"cats"}]),
        *({"likes": value} for value in [[NAN], [b"cats"], [SURROGATE], [object()]]),
    ],
}
