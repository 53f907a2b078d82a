"""Histories with times, and transformers with every option."""

from functools import cache

import numpy as np
import pytest

from tests.gradients import evaluated
from tests.towers.build import (
    DIMENSION,
    any_vectors,
    make_encoder,
    mask_of,
    scatter_weights,
)
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
REQUEST_BY_TIME = BY_TIME | {"request_time": True}
REQUEST_GAPS = GAPS | {"request_time": True}
EVERYTHING = GATED | SWIGLU | BY_POSITION | REQUEST_BY_TIME | REQUEST_GAPS
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
    "relative time from the request": REQUEST_BY_TIME,
    "gaps": GAPS,
    "gaps to the request": REQUEST_GAPS,
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
REQUESTED_AT = int(TIMES[-1]) + 90_000


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


def some_items(n_rows=1, length=LENGTH, seed=5):
    """Return `[R, T, D]` vectors."""
    return any_vectors(n_rows, length, DIMENSION, seed=seed)


def ages_for(rows, *, width=LENGTH, requested_at=None, request_time):
    """Return `[R, width]` int32 ages, as batches hold them.

    Args:
        rows: seconds of each history's events.
        width: T.
        requested_at: seconds of each request; None if unknown.
        request_time: whether the request times are read.
    """
    histories = Ragged.from_lists([[2] * len(row) for row in rows])
    times = np.array([second for row in rows for second in row], np.int64)
    unknown = np.full(len(rows), UNKNOWN_TIME)
    requested = unknown if requested_at is None else np.array(requested_at, np.int64)
    events = Events(times, np.full(len(times), np.nan, np.float32), requested)
    return event_fields(histories, events, width, request_time=request_time)["ages"]


def states_of(
    name, vectors, rows, *, width=LENGTH, requested_at=REQUESTED_AT, **changes
):
    """Return `[R, width, D]`, states of histories with events at given seconds.

    Args:
        name: name of the options.
        vectors: R times `[T, D]`, item vectors of the histories.
        rows: seconds of each history's events.
        width: width that histories are padded to.
        requested_at: second of each request.
        **changes: changes of the options.
    """
    tower = shared_tower(name, **changes)
    padded = np.zeros((len(rows), width, DIMENSION), np.float32)
    for row, history in enumerate(vectors):
        padded[row, : len(history)] = history
    ages = ages_for(
        rows,
        width=width,
        requested_at=[requested_at] * len(rows),
        request_time=tower.request_time,
    )
    mask = mask_of([*map(len, rows)], width)
    return call_shared(name, **changes)(padded, mask, ages)


def weights_of_block(block):
    """Return a block's weights by their names in the definition."""
    named = {
        f"{part}/{kind}": getattr(getattr(block, part), kind)
        for part in ("attention_norm", "feed_norm")
        for kind in ("gamma", "beta")
        if hasattr(block, part)
    }
    attention = block.attention
    named["projections/kernel"] = attention.projections.kernel
    named["output_projection/kernel"] = attention.output_projection.kernel
    if hasattr(attention, "norm"):
        named["norm/gamma"] = attention.norm.gamma
        named["norm/beta"] = attention.norm.beta
    for kind in ("positions", "times"):
        if attention.bias is not None and hasattr(attention.bias, kind):
            named[kind] = getattr(attention.bias, kind)
    residuals = {"attention_gate": block.attention_residual}
    if block.feed_forward is not None:
        residuals["feed_gate"] = block.feed_residual
        for part in ("into", "out"):
            layer = getattr(block.feed_forward, part)
            named[f"{part}/kernel"] = layer.kernel
            if layer.use_bias:
                named[f"{part}/bias"] = layer.bias
    for name, residual in residuals.items():
        if residual.gate is not None:
            named[f"{name}/kernel"] = residual.gate.kernel
            named[f"{name}/bias"] = residual.gate.bias
    return named


def weights_of_tower(tower):
    """Return the weights outside the blocks by their names in the definition."""
    named = {
        "output_norm/gamma": tower.output_norm.gamma,
        "output_norm/beta": tower.output_norm.beta,
    }
    if tower.options.absolute_position:
        named["positions"] = tower.positions
    if tower.gaps is not None:
        named["before"] = tower.gaps.before
        if tower.request_time:
            named["after"] = tower.gaps.after
    return named
