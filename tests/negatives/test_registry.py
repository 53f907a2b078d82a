"""What all sources have in common."""

import pkgutil
import subprocess
import sys

import numpy as np
import pytest

from tests.negatives.batches import queries
from two_tower import negatives
from two_tower.negatives.consumed import Consumed
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.log_q import ExactFrequencies, StreamingFrequencies
from two_tower.negatives.low_rated import LowRated
from two_tower.negatives.mixed import Mixed
from two_tower.negatives.popular import Popular
from two_tower.negatives.queue import Queue
from two_tower.negatives.unconsumed import Unconsumed
from two_tower.negatives.uniform import Uniform
from two_tower.ragged import Ragged

N_ITEMS, N_PLACES, N_REAL = 30, 16, 13
ITEMS = np.arange(2, N_ITEMS, dtype=np.int32)
SHARED = {"count": 9, "per_query": False, "log_q": True}
OWN = {"count": 4, "log_q": True}
COUNTS = np.arange(N_ITEMS)
SEEN = np.maximum(COUNTS - 2, 0)
LISTS = [[], [], [3, 7], [], [9, 4, 5]]


def exact():
    return ExactFrequencies(np.log((COUNTS + 1) / (COUNTS + 1).sum(), dtype=np.float32))


def streaming():
    return StreamingFrequencies(n_buckets=100, n_hashes=2, memory=0.05, seed=0)


def consumed():
    return Consumed(Ragged.from_lists([sorted(row) for row in LISTS]), N_ITEMS)


def per_query():
    return {**SHARED, "per_query": True, "count": 4}


SOURCES = {
    "in_batch": lambda: InBatch(8, exact()),
    "in_batch, streaming": lambda: InBatch(8, streaming()),
    "uniform": lambda: Uniform(ITEMS, **SHARED),
    "uniform, per query": lambda: Uniform(ITEMS, **per_query()),
    "popular": lambda: Popular(SEEN, exponent=0.75, **SHARED),
    "popular, per query": lambda: Popular(SEEN, exponent=0.75, **per_query()),
    "unconsumed": lambda: Unconsumed(consumed(), ITEMS, **OWN),
    "low_rated": lambda: LowRated(
        Ragged.from_lists(LISTS),
        count=1,
        log_q=True,
        others=Uniform(ITEMS, **{**per_query(), "count": 3}),
    ),
    "queue": lambda: Queue(40, exact()),
    "queue, streaming": lambda: Queue(40, streaming()),
    "mixed": lambda: Mixed(ITEMS, 9, 8, exact()),
    "mixed, streaming": lambda: Mixed(ITEMS, 9, 8, streaming()),
}
LABELS = {"in_batch", "queue", "mixed"}
PER_POSITIVE = [
    "uniform, per query",
    "popular, per query",
    "unconsumed",
    "low_rated",
]
EVERY_SOURCE = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)


def batch(number):
    """Return queries with padding behind, other ones for each number."""
    rng = np.random.default_rng([7, number])
    labels, users = rng.integers(2, N_ITEMS, N_PLACES), rng.integers(0, 5, N_PLACES)
    is_real = np.arange(N_PLACES) < N_REAL
    return queries(labels * is_real, users=users * is_real, weights=is_real)


def sample(source, numbers):
    """Return all arrays of these batches' candidates."""
    found = [source.sample(batch(n), np.random.default_rng([8, n])) for n in numbers]
    return [array for candidates in found for array in candidates if array is not None]


# covers: X3
@EVERY_SOURCE
def test_every_source_hands_over_the_same_four_things(make):
    ids, weights, log_q, own_log_q, own_column = make().sample(
        batch(0), np.random.default_rng(0)
    )
    assert ids.shape == weights.shape == log_q.shape
    assert ids.ndim == 1 or ids.shape == (N_PLACES, 4)
    assert ids.dtype == np.int32
    assert weights.dtype == log_q.dtype == own_log_q.dtype == np.float32
    assert own_log_q.shape == (N_PLACES,)
    assert own_column is None or own_column.dtype == np.int32
    assert np.isfinite(log_q).all()
    assert np.isfinite(own_log_q).all()
    assert ((weights == 0) | ((ids >= 2) & (ids < N_ITEMS))).all()


# covers: N10, X3
@pytest.mark.parametrize(
    "name", [name for name in SOURCES if name.split(",")[0] in LABELS]
)
def test_sources_that_hold_the_labels_say_where(name):
    positives = batch(0)
    found = SOURCES[name]().sample(positives, np.random.default_rng(0))
    column = found.own_column[:N_REAL]
    np.testing.assert_array_equal(found.ids[column], positives.labels[:N_REAL])
    np.testing.assert_array_equal(found.log_q[column], found.own_log_q[:N_REAL])
    assert (found.weights[column] > 0).all()


# covers: N10, X3
@pytest.mark.parametrize("name", PER_POSITIVE)
def test_a_sample_of_the_own_item_is_not_a_negative(name):
    positives = batch(0)
    found = SOURCES[name]().sample(positives, np.random.default_rng(0))
    is_own = found.ids == positives.labels[:, None]
    assert is_own.any()
    assert not found.weights[is_own].any()
    assert not found.own_log_q.any()


# covers: L18
@pytest.mark.parametrize(
    ("name", "out_of_reach"),
    [
        ("uniform", []),
        ("uniform, per query", []),
        ("popular", [2]),  # never a positive
        ("popular, per query", [2]),
        ("unconsumed", [3, 7]),
    ],
)
def test_corrected_samples_estimate_the_sum_over_all_others_without_bias(
    name, out_of_reach
):
    rng = np.random.default_rng(1)
    source, terms = SOURCES[name](), np.exp(rng.normal(size=N_ITEMS))
    found = [source.sample(queries([5]), rng) for _ in range(5000)]
    weights = np.array([c.weights.ravel() * (c.ids.ravel() != 5) for c in found])
    logs = np.array([c.log_q.ravel() for c in found])
    sums = (weights * terms[[c.ids.ravel() for c in found]] / np.exp(logs)).sum(axis=1)
    expected = terms[2:].sum() - terms[[5, *out_of_reach]].sum()
    assert abs(sums.mean() - expected) < 3 * sums.std() / np.sqrt(5000)


# covers: X12
@EVERY_SOURCE
def test_the_same_generator_samples_the_same(make):
    for one, other in zip(sample(make(), [0, 1]), sample(make(), [0, 1]), strict=True):
        np.testing.assert_array_equal(one, other)


# covers: X17
@EVERY_SOURCE
def test_a_restored_source_samples_what_an_uninterrupted_one_samples(make):
    unbroken, restored = make(), make()
    sample(unbroken, [0, 1, 2])
    state = unbroken.state()
    expected = sample(unbroken, [3, 4])
    restored.restore(state)
    for one, other in zip(sample(restored, [3, 4]), expected, strict=True):
        np.testing.assert_array_equal(one, other)


# covers: X3
@EVERY_SOURCE
def test_a_batch_of_padding_alone_breaks_nothing(make):
    nothing = queries(np.zeros(4), users=np.zeros(4), weights=np.zeros(4))
    found = make().sample(nothing, np.random.default_rng(0))
    assert np.isfinite(found.log_q).all()
    assert np.isfinite(found.own_log_q).all()


def test_the_engine_imports_no_keras():
    names = [
        f"two_tower.negatives.{m.name}"
        for m in pkgutil.iter_modules(negatives.__path__)
    ]
    code = f"import sys, {', '.join(names)}; print('keras' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - this very Python, code of this file
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


# covers: L10
@pytest.mark.parametrize("name", PER_POSITIVE)
def test_padding_samples_padding(name):
    positives = batch(0)
    found = SOURCES[name]().sample(positives, np.random.default_rng(0))
    is_padding = positives.weights == 0
    assert is_padding.any()
    assert not found.ids[is_padding].any()
    assert not found.weights[is_padding].any()
    assert found.ids[~is_padding].any()
