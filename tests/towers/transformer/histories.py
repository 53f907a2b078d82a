"""Histories with times, and towers of every option to read them."""

from functools import cache

import numpy as np
import pytest

from tests.gradients import evaluated
from tests.towers.build import DIMENSION, make_encoder, scatter_weights
from two_tower.ragged import Ragged
from two_tower.towers.events import UNKNOWN_TIME, Events, event_fields

PLAIN = {}
GATED = {"residual": "gated"}
SWIGLU = {"feed_forward": {"kind": "swiglu", "factor": 1.5}}
POINTWISE = {"attention": "pointwise", "feed_forward": None}
NO_POSITIONS = {"absolute_position": False}
WIDE_HEADS = {"head_width": 3, "n_heads": 3}
BY_POSITION = {"relative_position": True}
BY_TIME = {"relative_time": True}
GAPS = {"time_gap": True}
ASKED_BY_TIME = BY_TIME | {"request_time": True}
ASKED_GAPS = GAPS | {"request_time": True}
EVERYTHING = GATED | SWIGLU | BY_POSITION | ASKED_BY_TIME | ASKED_GAPS
POINTWISE_EVERYTHING = POINTWISE | BY_POSITION | BY_TIME | GAPS

OPTIONS = {
    "plain": PLAIN,
    "gated": GATED,
    "swiglu": SWIGLU,
    "gated swiglu": GATED | SWIGLU,
    "pointwise": POINTWISE,
    "pointwise with feed-forward": {"attention": "pointwise"},
    "no positions": NO_POSITIONS,
    "wide heads": WIDE_HEADS,
    "relative position": BY_POSITION,
    "relative time": BY_TIME,
    "relative time from the request": ASKED_BY_TIME,
    "gaps": GAPS,
    "gaps to the request": ASKED_GAPS,
    "everything": EVERYTHING,
    "pointwise with everything": POINTWISE_EVERYTHING,
}
TIMED = [
    name
    for name, changes in OPTIONS.items()
    if (GAPS | BY_TIME).keys() & changes.keys()
]

EACH_OPTION = pytest.mark.parametrize("name", OPTIONS)
EACH_TIMED_OPTION = pytest.mark.parametrize("name", TIMED)

LENGTH = 6
# Seconds of six events: two of one second, then seconds, minutes, hours, a month apart.
TIMES = 900_000_000 + np.array([0, 0, 60, 90, 9_000, 3_000_000])
ASKED_AT = int(TIMES[-1]) + 90_000


def make_tower(name, *, n_blocks=2, **changes):
    """Return a built tower with weights of order 1."""
    tower = make_encoder("transformer", n_blocks=n_blocks, **OPTIONS[name] | changes)
    tower.build()
    scatter_weights(tower)
    return tower


@cache
def shared_tower(name, **changes):
    """Return a tower without dropout, for tests that only call it."""
    return make_tower(name, **changes)


@cache
def call_shared(name, **changes):
    """Return that tower as a function of vectors, mask and ages."""
    tower = shared_tower(name, **changes)
    if tower.reads_events:
        return evaluated(tower)
    without_ages = evaluated(tower)
    return lambda vectors, is_real, _: without_ages(vectors, is_real)


def any_vectors(*shape, seed=5):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def some_items(n_rows=1, length=LENGTH, seed=5):
    """Return `[R, T, D]` vectors."""
    return any_vectors(n_rows, length, DIMENSION, seed=seed)


def mask_of(lengths, width):
    return np.arange(width) < np.array(lengths)[:, None]


def ages_for(rows, *, width=LENGTH, asked_at=None, request_time):
    """Return `[R, width]` int32 ages, as batches hold them.

    Args:
        rows: seconds of each history's events.
        width: T.
        asked_at: seconds of each request; None if nobody knows.
        request_time: whether towers read that.
    """
    histories = Ragged.from_lists([[2] * len(row) for row in rows])
    times = np.array([second for row in rows for second in row], np.int64)
    unknown = np.full(len(rows), UNKNOWN_TIME)
    asked = unknown if asked_at is None else np.array(asked_at, np.int64)
    events = Events(times, np.full(len(times), np.nan, np.float32), asked)
    return event_fields(histories, events, width, request_time=request_time)["ages"]


def states_of(name, vectors, rows, *, width=LENGTH, asked_at=ASKED_AT, **changes):
    """Return `[R, width, D]`, the states of histories with events at these seconds.

    Args:
        name: of the shared tower's options.
        vectors: R times `[T, D]`, of the histories' items.
        rows: seconds of each history's events.
        width: that histories are padded to.
        asked_at: the second of each request.
        **changes: of the options.
    """
    tower = shared_tower(name, **changes)
    padded = np.zeros((len(rows), width, DIMENSION), np.float32)
    for row, history in enumerate(vectors):
        padded[row, : len(history)] = history
    ages = ages_for(
        rows,
        width=width,
        asked_at=[asked_at] * len(rows),
        request_time=tower.request_time,
    )
    mask = mask_of([*map(len, rows)], width)
    return call_shared(name, **changes)(padded, mask, ages)
