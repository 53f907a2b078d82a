"""Batches of sequences are decoded back, and held against the histories."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.fit_tiny import BOUNDARIES, cut, second_of, walks, window_batches
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.windows import WindowBatches, plan_epoch

# Widths, tokens that hold the widest, and histories of up to three windows.
SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True).flatmap(
    lambda boundaries: st.tuples(
        st.just(sorted(boundaries)),
        st.integers(max(boundaries), 3 * max(boundaries)),
        st.integers(1, 7),
        st.lists(
            st.lists(st.integers(2, 30), min_size=1, max_size=3 * max(boundaries)),
            min_size=1,
            max_size=12,
        ),
    )
)


def batches_for(shape, *, seed=0, epoch=0):
    boundaries, tokens_per_batch, chunk, histories = shape
    batches = window_batches(
        histories,
        boundaries=boundaries,
        tokens_per_batch=tokens_per_batch,
        chunk=chunk,
        seed=seed,
    )
    batches.begin(epoch)
    return batches


def pairs_of(batch):
    """Return what a batch trains: (what the query has read, what came next)."""
    items = batch["items"]
    n_rows, width = items.shape
    real = batch["weights"] == 1
    assert set(batch["weights"].tolist()) <= {0.0, 1.0}
    read = [
        ()
        if place == n_rows * width
        else tuple(items[place // width][: place % width + 1])
        for place in batch["positions"][real]
    ]
    return Counter(zip(read, batch["labels"][real].tolist(), strict=True))


def pairs_in(histories, window):
    """Return the same by definition: all of a history, cut from its end, and firsts."""
    pairs = Counter(((), history[0]) for history in histories)
    for history in histories:
        for place in range(1, len(history)):
            # The windows before this one, counted from the end.
            behind = (len(history) - 1 - place) // window
            start = max(len(history) - 1 - (behind + 1) * window, 0)
            pairs[(tuple(history[start:place]), history[place])] += 1
    return pairs


# covers: Q10 N5
@settings(deadline=None)
@given(SHAPES)
def test_every_pair_and_every_first_item_is_trained_once_an_epoch(shape):
    boundaries, _, _, histories = shape
    trained = sum((pairs_of(batch) for batch in batches_for(shape)), Counter())
    assert trained == pairs_in(histories, boundaries[-1])


@settings(deadline=None)
@given(SHAPES)
def test_shapes_depend_on_the_width_alone(shape):
    boundaries, tokens_per_batch, chunk, _ = shape
    for batch in batches_for(shape):
        n_rows, width = batch["items"].shape
        assert width in boundaries
        assert n_rows == tokens_per_batch // width
        n_places = len(batch["positions"])
        assert n_places % chunk == 0
        # Room for all positions and all first items, and less than a chunk more.
        assert 0 <= n_places - n_rows * (width + 1) < chunk
        assert n_places <= batches_for(shape).max_queries
        assert {
            name: (array.dtype.name, array.shape) for name, array in batch.items()
        } == {
            "items": ("int32", (n_rows, width)),
            "users": ("int32", (n_rows,)),
            "rows": ("int32", (n_places,)),
            "positions": ("int32", (n_places,)),
            "labels": ("int32", (n_places,)),
            "weights": ("float32", (n_places,)),
        }


@settings(deadline=None)
@given(SHAPES)
def test_padding_follows_real_entries(shape):
    for batch in batches_for(shape):
        assert (np.diff(batch["weights"]) <= 0).all()
        is_real = batch["items"] != 0
        assert (np.diff(is_real.astype(int), axis=1) <= 0).all()
        assert not batch["labels"][batch["weights"] == 0].any()


@settings(deadline=None)
@given(SHAPES)
def test_at_most_one_batch_is_not_full(shape):
    filled = [batch["items"][:, 0].all() for batch in batches_for(shape)]
    assert filled.count(False) <= 1


@settings(deadline=None)
@given(SHAPES)
def test_the_number_of_batches_is_the_same_in_every_epoch(shape):
    counts = {len(list(batches_for(shape, epoch=epoch))) for epoch in range(3)}
    assert counts == {len(batches_for(shape))}


@settings(deadline=None)
@given(SHAPES)
def test_each_query_has_its_user(shape):
    histories = shape[-1]
    for batch in batches_for(shape):
        real = batch["weights"] == 1
        rows, width = batch["rows"], batch["items"].shape[1]
        in_history = batch["positions"] < batch["items"].size
        own = rows[real & in_history]
        assert (own == batch["positions"][real & in_history] // width).all()
        users, labels = batch["users"][rows[real]], batch["labels"][real]
        pairs = zip(users.tolist(), labels.tolist(), strict=True)
        assert all(label in histories[user - 2] for user, label in pairs)
        assert not rows[~real].any()


def test_rows_that_fill_no_batch_move_up_a_bucket():
    lengths = np.array([2, 2, 2, 2, 1, 4])
    plan = plan_epoch(lengths, [2, 4], [4, 2], np.random.default_rng(0))
    # Four rows of width 2 are a batch; the fifth shares one of width 4.
    sizes = {width: len(rows) for width, rows in plan}
    assert sizes == {2: 4, 4: 2}
    assert dict(plan)[4].tolist().count(5) == 1


# covers: Q10
def test_buckets_have_far_less_padding_than_one_width():
    histories = [[2, 3]] * 2000 + [[2] * 101] * 10
    one_width = window_batches(
        histories, boundaries=[100], tokens_per_batch=1000, chunk=1
    )
    buckets = window_batches(
        histories, boundaries=[1, 10, 100], tokens_per_batch=1000, chunk=1
    )
    empty = [
        np.mean([(batch["items"] == 0).mean() for batch in batches])
        for batches in (one_width, buckets)
    ]
    assert empty[0] > 0.95
    assert empty[1] < 0.1


def order_of(batches):
    return [tuple(batch["labels"]) for batch in batches]


# covers: A41 L26 N13
def test_each_epoch_has_an_order_of_its_own():
    batches = window_batches(walks())
    orders = []
    for epoch in range(3):
        batches.begin(epoch)
        orders.append(order_of(batches))
    assert orders[0] != orders[1] != orders[2] != orders[0]


# covers: A41
def test_rows_meet_other_rows_in_another_epoch():
    # Shuffling finished batches would not do: each batch would hold the same rows.
    batches = window_batches(walks(60))
    users = []
    for epoch in range(2):
        batches.begin(epoch)
        users.append({frozenset(batch["users"].tolist()) for batch in batches})
    assert len(users[0] & users[1]) <= 1


# covers: X12
def test_seed_and_epoch_decide_the_order():
    again, other = window_batches(walks(), seed=1), window_batches(walks(), seed=2)
    batches = window_batches(walks(), seed=1)
    for one in (batches, again, other):
        one.begin(3)
    assert order_of(batches) == order_of(again)
    assert order_of(batches) != order_of(other)


def test_an_epoch_can_be_read_again():
    batches = window_batches(walks())
    assert order_of(batches) == order_of(batches)


def test_a_window_as_long_as_a_bucket_is_not_padded():
    (batch,) = window_batches(
        [[2, 3, 4, 5]], boundaries=[3, 9], tokens_per_batch=9, chunk=2
    )
    assert batch["items"].shape == (1, 9)  # too few for a batch of three such rows
    (batch,) = window_batches(
        [[2, 3, 4, 5]], boundaries=[3], tokens_per_batch=3, chunk=2
    )
    assert batch["items"].tolist() == [[2, 3, 4]]
    # The places of the row, then the one for "no history yet".
    assert batch["positions"].tolist() == [0, 1, 2, 3]
    assert batch["labels"].tolist() == [3, 4, 5, 2]


def test_the_helpers_windows_are_no_wider_than_the_buckets():
    assert cut(walks(), BOUNDARIES[-1]).items.lengths.max() == BOUNDARIES[-1]


@settings(deadline=None)
@given(SHAPES, st.booleans())
def test_ages_are_seconds_to_the_last_target_or_to_the_newest_item(shape, request_time):
    boundaries, tokens_per_batch, chunk, histories = shape
    # Of these histories each item tells its position.
    told = [[*range(2, 2 + len(history))] for history in histories]
    options = {
        "boundaries": boundaries,
        "tokens_per_batch": tokens_per_batch,
        "chunk": chunk,
    }
    batches = window_batches(told, with_ages=True, request_time=request_time, **options)
    for batch in batches:
        items, ages = batch["items"], batch["ages"]
        assert (ages.dtype, ages.shape) == (np.int32, items.shape)
        assert not ages[items == 0].any()
        for user, own, found in zip(batch["users"], items, ages, strict=False):
            positions = own[own > 0].astype(int) - 2
            if not len(positions):
                continue
            has_target = request_time and len(told[user - 2]) > 1
            asked_at = second_of(user, positions[-1] + has_target)
            seconds = [asked_at - second_of(user, place) for place in positions]
            assert (found[own > 0] - 1).tolist() == seconds


def test_without_ages_a_batch_has_none():
    assert "ages" not in next(iter(window_batches(walks())))


def test_ages_need_the_times_of_the_sequences():
    windows = replace(cut(walks(), BOUNDARIES[-1]), events=None)
    options = {"tokens_per_batch": 24, "chunk": 8, "seed": 1, "sampler": BatchSampler()}
    with pytest.raises(ValueError, match="with_events=True"):
        WindowBatches(
            windows, BOUNDARIES, with_ages=True, request_time=False, **options
        )
    WindowBatches(windows, BOUNDARIES, with_ages=False, request_time=False, **options)
