"""Batches of places are decoded back, and held against the whole histories."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.fit_tiny import (
    HOUR,
    cut,
    position_batches,
    rating_of,
    second_of,
    walks,
)
from two_tower.training.batches.positions import PositionBatches
from two_tower.training.batches.sampling import BatchSampler

# Widths, places of a batch, the chunk, the size of a window and histories.
SHAPES = st.tuples(
    st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True).map(sorted),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 9),
    st.lists(
        st.lists(st.integers(2, 30), min_size=1, max_size=14), min_size=1, max_size=9
    ),
)


def batches_for(shape, **options):
    boundaries, size, chunk, window, histories = shape
    return position_batches(
        histories,
        boundaries=boundaries,
        size=size,
        chunk=chunk,
        window=window,
        **options,
    )


def places_of(batch):
    """Return the real places: user, label, history, hours, ages, ratings, hour."""
    for row in np.flatnonzero(batch["weights"]):
        assert batch["rows"][row] == row
        length = batch["lengths"][row]
        fields = [batch[name][row][:length] for name in ("items", "hours", "ages")]
        ratings = np.nan_to_num(batch["ratings"][row][:length], nan=-1).tolist()
        yield (
            int(batch["users"][row]),
            int(batch["labels"][row]),
            *(tuple(field.tolist()) for field in fields),
            tuple(ratings),
            int(batch["request_hours"][row]),
        )


def places_in(histories, longest):
    """Return the same by definition, of whole histories."""
    for user, history in enumerate(histories, start=2):
        for asked, label in enumerate(history):
            known = range(max(asked - longest, 0), asked)
            ratings = [rating_of(position) for position in known]
            yield (
                user,
                label,
                tuple(history[position] for position in known),
                tuple(second_of(user, position) // HOUR for position in known),
                tuple(HOUR * (asked - position) + 1 for position in known),
                tuple(-1.0 if rating != rating else rating for rating in ratings),  # noqa: PLR0124
                second_of(user, asked) // HOUR,
            )


# covers: A1 A41
@settings(deadline=None)
@given(SHAPES)
def test_every_position_of_every_history_is_trained_once_whatever_the_windows(shape):
    found = Counter(place for batch in batches_for(shape) for place in places_of(batch))
    assert found == Counter(places_in(shape[-1], shape[0][-1]))


@settings(deadline=None)
@given(SHAPES)
def test_shapes_depend_on_the_width_alone_and_padding_is_empty(shape):
    batches = batches_for(shape)
    assert batches.n_positives == sum(map(len, shape[-1]))
    assert len(list(batches)) == len(batches)
    for batch in batches:
        width, n_rows = batch["items"].shape[1], batches.max_queries
        assert width in shape[0]
        assert n_rows % shape[2] == 0
        flat, wide = (n_rows,), (n_rows, width)
        assert {k: (v.dtype.name, v.shape) for k, v in batch.items()} == {
            "users": ("int32", flat),
            "rows": ("int32", flat),
            "labels": ("int32", flat),
            "weights": ("float32", flat),
            "progress": ("float32", ()),
            "lengths": ("int32", flat),
            "request_hours": ("int32", flat),
            "items": ("int32", wide),
            "hours": ("int32", wide),
            "ages": ("int32", wide),
            "ratings": ("float32", wide),
        }
        padding = np.arange(width) >= batch["lengths"][:, None]
        for name in ("items", "hours", "ages"):
            assert not batch[name][padding].any()
        assert np.isnan(batch["ratings"][padding]).all()
        nobody = batch["weights"] == 0
        assert not any(batch[k][nobody].any() for k in ("users", "labels", "lengths"))


@settings(deadline=None)
@given(SHAPES)
def test_at_most_one_batch_is_not_full(shape):
    counts = [int(batch["weights"].sum()) for batch in batches_for(shape)]
    assert sum(count < shape[1] for count in counts) <= 1
    assert max(counts) <= shape[1]


# covers: A12
def test_without_a_request_time_the_newest_event_stands_in_for_it():
    batches = position_batches(walks(), boundaries=[14], request_time=False)
    for batch in batches:
        read = batch["lengths"] > 0
        newest = np.flatnonzero(read), batch["lengths"][read] - 1
        assert (batch["ages"][newest] == 1).all()
        assert (batch["request_hours"][read] == batch["hours"][newest]).all()
        assert not batch["request_hours"][~read].any()


# covers: A41
def test_a_batch_mixes_many_users_and_differs_in_each_epoch():
    batches, together = position_batches(walks(60), boundaries=[14], size=32), []
    for epoch in range(2):
        batches.begin(epoch)
        found = [set(places_of(batch)) for batch in batches]
        full = [batch for batch in found if len(batch) > 20]
        users = [len({place[0] for place in batch}) for batch in full]
        assert min(users) > 10
        together.append({frozenset(batch) for batch in found})
    assert not together[0] & together[1]


# covers: A41 X12
def test_seed_and_epoch_decide_the_order():
    def order(seed, epoch):
        batches = position_batches(walks(), seed=seed)
        batches.begin(epoch)
        return [batch["labels"].tolist() for batch in batches]

    assert order(1, 3) == order(1, 3)
    assert order(1, 3) != order(2, 3)
    assert order(1, 3) != order(1, 4)


def test_batches_tell_how_much_of_the_training_is_done():
    batches = position_batches([range(2, 10)] * 8, size=16, epochs=2)
    assert len(batches) == 4
    progress = []
    for epoch in range(2):
        batches.begin(epoch)
        progress += [float(batch["progress"]) for batch in batches]
    np.testing.assert_allclose(progress, np.arange(8) / 8)


def test_sequences_without_events_are_refused():
    sequences = replace(cut(walks(), 6), events=None)
    with pytest.raises(ValueError, match="with_events=True"):
        feed_from(sequences)


def test_windows_out_of_order_are_refused():
    sequences = cut([[2, 3, 4, 5]], 2)
    turned = replace(sequences, is_first=sequences.is_first[::-1])
    with pytest.raises(ValueError, match="not ordered by user and window"):
        feed_from(turned)


def feed_from(sequences):
    return PositionBatches(
        sequences,
        [6],
        size=8,
        chunk=1,
        request_time=True,
        epochs=1,
        seed=0,
        sampler=BatchSampler(),
    )
