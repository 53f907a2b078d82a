"""Batches of pairs, and what is drawn for them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fit_tiny import pair_batches, walks, window_batches
from two_tower.negatives.queue import Queue
from two_tower.training.batches.sampling import BatchSampler

HISTORIES = st.lists(
    st.lists(st.integers(2, 30), min_size=1, max_size=9), min_size=1, max_size=12
)


def pairs_of(batches):
    pairs = Counter()
    for batch in batches:
        real = batch["weights"] > 0
        users = batch["users"][batch["rows"]][real].tolist()
        pairs.update(zip(users, batch["labels"][real].tolist(), strict=True))
    return pairs


# covers: N5
@given(HISTORIES, st.integers(1, 9), st.integers(1, 5))
def test_every_user_meets_every_item_of_the_history_once_an_epoch(
    histories, size, chunk
):
    batches = pair_batches(histories, size=size, chunk=chunk)
    expected = Counter(
        (user, item)
        for user, history in enumerate(histories, start=2)
        for item in history
    )
    assert pairs_of(batches) == expected
    assert len(list(batches)) == len(batches)
    assert batches.n_positives == sum(map(len, histories))


@given(HISTORIES, st.integers(1, 9), st.integers(1, 5))
def test_all_batches_have_one_shape(histories, size, chunk):
    batches = pair_batches(histories, size=size, chunk=chunk)
    shapes = {tuple(array.shape for array in batch.values()) for batch in batches}
    assert shapes == {((batches.max_queries,),) * 4}
    assert batches.max_queries % chunk == 0
    assert 0 <= batches.max_queries - size < chunk


# covers: L26 N13
def test_each_epoch_has_an_order_of_its_own():
    batches, orders = pair_batches(walks()), []
    for epoch in (0, 1, 0):
        batches.begin(epoch)
        orders.append([tuple(batch["labels"]) for batch in batches])
    assert orders[0] == orders[2] != orders[1]


def queued(batches):
    return [batch["candidates"].tolist() for batch in batches]


@pytest.mark.parametrize("make", [window_batches, pair_batches])
def test_sampler_state_carries_over_between_epochs(make):
    batches = make(walks(), sampler=BatchSampler(source=Queue(64, None)))
    first = queued(batches)
    assert 0 in first[0]  # tokens_per_batch that are not filled yet
    batches.begin(1)
    assert 0 not in queued(batches)[0]


# covers: X17
@pytest.mark.parametrize("make", [window_batches, pair_batches])
def test_a_restored_sampler_equals_an_uninterrupted_one(make):
    batches = make(walks(), sampler=BatchSampler(source=Queue(64, None)))
    list(batches)
    state = {name: np.array(array) for name, array in batches.state().items()}
    again = make(walks(), sampler=BatchSampler(source=Queue(64, None)))
    again.restore(state)
    for one in (batches, again):
        one.begin(1)
    assert queued(batches) == queued(again)


def test_a_look_at_the_first_batch_leaves_no_trace():
    batches = pair_batches(walks(), sampler=BatchSampler(source=Queue(64, None)))
    untouched = queued(
        pair_batches(walks(), sampler=BatchSampler(source=Queue(64, None)))
    )
    next(iter(batches))
    assert queued(batches) == untouched
    batches.begin(1)
    after = queued(batches)
    next(iter(batches))
    assert queued(batches) == after
