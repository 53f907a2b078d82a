from types import SimpleNamespace

import numpy as np
import pytest

from tests.gradients import evaluated
from tests.towers.build import (
    DIMENSION,
    EACH_TOWER,
    MAX_LENGTH,
    N_ITEMS,
    make_profile_towers,
    pad,
    queries_of,
    shared_towers,
)
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories, encode_items
from two_tower.towers.events import UNKNOWN_TIME, Events, event_fields

pytestmark = pytest.mark.backend

EDGES = [2, 8]
# Each bucket has more than one batch; some lengths equal a boundary.
HISTORIES = [
    [3, 5, 2, 8],
    [],
    [4],
    [7, 7, 3, 2, 6, 5, 8, 4],
    [2, 3],
    [5],
    [],
    [6, 2, 3, 4, 5],
    [8, 8, 8],
]


def encode(towers, histories, **options):
    """Return the query vectors of histories of unknown users."""
    return encode_histories(towers, histories, np.ones(len(histories)), **options)


# covers: Q3, Q10
@EACH_TOWER
def test_batches_by_length_equal_each_history_alone(kind):
    towers, histories = shared_towers(kind), Ragged.from_lists(HISTORIES)
    found = encode(towers, histories, boundaries=EDGES, tokens_per_batch=8)
    assert found.dtype == np.float32
    assert found.shape == (len(HISTORIES), DIMENSION)
    np.testing.assert_allclose(found, queries_of(kind, HISTORIES), 1e-5, 1e-6)
    for row in range(len(HISTORIES)):
        alone = encode(
            towers, histories.take([row]), boundaries=EDGES, tokens_per_batch=8
        )
        np.testing.assert_allclose(alone[0], found[row], 1e-5, 1e-6)


# covers: Q10
def test_each_history_is_padded_to_the_narrowest_width():
    shapes = []

    def predict_on_batch(batch):
        shapes.append(batch["items"].shape)
        return np.ones((len(batch["items"]), DIMENSION))

    towers = SimpleNamespace(
        dimension=DIMENSION,
        max_length=MAX_LENGTH,
        n_vectors=1,
        reads_events=False,
        reads_users=False,
        profile=None,
        predict_on_batch=predict_on_batch,
    )
    # Five histories have up to 2 items, four have 3 to 8.
    encode(towers, Ragged.from_lists(HISTORIES), boundaries=EDGES, tokens_per_batch=8)
    assert shapes == [(4, 2), (4, 2), (1, 8), (1, 8), (1, 8), (1, 8)]


# covers: Q10
def test_the_newest_items_of_a_longer_history_are_read():
    long = Ragged.from_lists([[2, 2, 2, 5, 6, 7, 8], [5, 6, 7, 8]])
    cut, whole = encode(shared_towers("mean"), long, boundaries=[4], tokens_per_batch=8)
    np.testing.assert_allclose(cut, whole, 1e-5, 1e-6)


# covers: Q10
def test_the_mean_tower_encodes_thousands_of_items():
    # All items equally often have the mean of one of each.
    of_each = [*range(2, N_ITEMS)]
    histories = Ragged.from_lists([of_each * 400, of_each])
    long, short = encode(
        shared_towers("mean"), histories, boundaries=[8, 2800], tokens_per_batch=2800
    )
    np.testing.assert_allclose(long, short, rtol=1e-4, atol=1e-5)


@EACH_TOWER
def test_no_histories_have_no_vectors(kind):
    nothing = Ragged.from_lists([])
    found = encode(shared_towers(kind), nothing, boundaries=EDGES, tokens_per_batch=8)
    assert found.shape == (0, DIMENSION)


WHO = np.array([2, 3, 4, 5, 6, 0, 1, 2, 3], np.int32)


@pytest.mark.parametrize("kind", ["mean", "transformer"])
def test_each_history_is_encoded_with_its_user(kind):
    towers, histories = make_profile_towers(kind), Ragged.from_lists(HISTORIES)
    found = encode_histories(
        towers, histories, WHO, boundaries=EDGES, tokens_per_batch=8
    )
    batch = pad(HISTORIES) | {"users": WHO}
    expected = evaluated(lambda: towers(batch))()
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: L30
def test_given_values_are_encoded_with_their_user():
    towers, histories = make_profile_towers("mean"), Ragged.from_lists(HISTORIES)
    age = np.linspace(-2, 2, 9, dtype=np.float32)[:, None]
    found = encode_histories(
        towers,
        histories,
        WHO,
        boundaries=EDGES,
        tokens_per_batch=8,
        values={"age": age},
    )
    batch = pad(HISTORIES) | {"users": WHO, "values": {"age": age}}
    expected = evaluated(lambda: towers(batch))()
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


@pytest.mark.parametrize("tokens_per_batch", [4, 100])
def test_a_model_of_profiles_reads_no_history(tokens_per_batch):
    towers, histories = make_profile_towers(None), Ragged.from_lists(HISTORIES)
    found = encode_histories(
        towers, histories, WHO, boundaries=[], tokens_per_batch=tokens_per_batch
    )
    expected = evaluated(lambda: towers({"users": WHO}))()
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: Q7
def test_items_are_encoded_as_candidates():
    towers, ids = shared_towers("mean"), np.array([5, 2, 8], np.int32)
    found = encode_items(towers, ids)
    table = np.float64(towers.item_tower.table.value)[ids]
    expected = table / np.linalg.norm(table, axis=1, keepdims=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)
    assert encode_items(towers, ids[:0]).shape == (0, DIMENSION)


class ReadsEvents:
    """Fake towers that return sums of each row's fields as two vectors."""

    dimension, max_length, n_vectors = 3, MAX_LENGTH, 2
    reads_events, reads_users, profile = True, True, None

    def __init__(self, *, request_time):
        self.request_time = request_time

    @staticmethod
    def predict_on_batch(batch):
        first = [batch["users"], batch["lengths"], batch["items"].sum(axis=1)]
        ratings = np.nan_to_num(batch["ratings"]).sum(axis=1)
        second = [batch["ages"].sum(axis=1), batch["hours"].sum(axis=1), ratings]
        return np.stack([np.stack(first, axis=1), np.stack(second, axis=1)], axis=1)


def some_events(histories):
    n_items, n_rows = len(histories.values), len(histories)
    timestamps = 10_000 * np.arange(n_items)
    asked_at = np.where(np.arange(n_rows) % 2, UNKNOWN_TIME, 10_000 * n_items)
    return Events(timestamps, np.arange(n_items, dtype=np.float32), asked_at)


# covers: A1 A32
@pytest.mark.parametrize("request_time", [True, False])
def test_each_history_is_encoded_with_its_events(request_time):
    histories = Ragged.from_lists(HISTORIES)
    events, towers = some_events(histories), ReadsEvents(request_time=request_time)
    found = encode_histories(
        towers, histories, WHO, boundaries=EDGES, tokens_per_batch=16, events=events
    )
    assert found.dtype == np.float32
    assert found.shape == (len(HISTORIES), 2, 3)
    for row in range(len(HISTORIES)):
        own = histories.take([row]), events.take(histories, [row])
        fields = event_fields(*own, MAX_LENGTH, request_time=request_time)
        expected = towers.predict_on_batch(fields | {"users": WHO[[row]]})
        np.testing.assert_array_equal(found[row], expected[0])


def test_without_events_times_and_ratings_are_unknown():
    histories, towers = Ragged.from_lists(HISTORIES), ReadsEvents(request_time=True)
    found = encode_histories(
        towers, histories, WHO, boundaries=EDGES, tokens_per_batch=8
    )
    assert not found[:, 1].any()
    np.testing.assert_array_equal(found[:, 0, 1], histories.lengths)
