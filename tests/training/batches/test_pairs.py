"""Batches of pairs, and what is drawn for them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fit_tiny import feed_of, pair_feed_of, walks
from two_tower.negatives.queue import Queue
from two_tower.training.batches.sampling import BatchSampler

HISTORIES = st.lists(
    st.lists(st.integers(2, 30), min_size=1, max_size=9), min_size=1, max_size=12
)


def pairs_of(feed):
    pairs = Counter()
    for batch in feed:
        real = batch["weights"] > 0
        users = batch["users"][batch["rows"]][real].tolist()
        pairs.update(zip(users, batch["labels"][real].tolist(), strict=True))
    return pairs


# covers: N5
@given(HISTORIES, st.integers(1, 9), st.integers(1, 5))
def test_every_user_meets_every_item_of_the_history_once_an_epoch(
    histories, size, chunk
):
    feed = pair_feed_of(histories, size=size, chunk=chunk)
    expected = Counter(
        (user, item)
        for user, history in enumerate(histories, start=2)
        for item in history
    )
    assert pairs_of(feed) == expected
    assert len(list(feed)) == len(feed)
    assert feed.n_positives == sum(map(len, histories))


@given(HISTORIES, st.integers(1, 9), st.integers(1, 5))
def test_all_batches_have_one_shape(histories, size, chunk):
    feed = pair_feed_of(histories, size=size, chunk=chunk)
    shapes = {tuple(array.shape for array in batch.values()) for batch in feed}
    assert shapes == {((feed.max_queries,),) * 4}
    assert feed.max_queries % chunk == 0
    assert 0 <= feed.max_queries - size < chunk


# covers: L26 N13
def test_each_epoch_has_an_order_of_its_own():
    feed, orders = pair_feed_of(walks()), []
    for epoch in (0, 1, 0):
        feed.begin(epoch)
        orders.append([tuple(batch["labels"]) for batch in feed])
    assert orders[0] == orders[2] != orders[1]


def queued(feed):
    return [batch["candidates"].tolist() for batch in feed]


@pytest.mark.parametrize("make", [feed_of, pair_feed_of])
def test_what_is_remembered_goes_on_from_epoch_to_epoch(make):
    feed = make(walks(), sampler=BatchSampler(source=Queue(64, None)))
    first = queued(feed)
    assert 0 in first[0]  # tokens_per_batch that are not filled yet
    feed.begin(1)
    assert 0 not in queued(feed)[0]


# covers: X17
@pytest.mark.parametrize("make", [feed_of, pair_feed_of])
def test_a_restored_feed_draws_as_the_one_that_went_on(make):
    feed = make(walks(), sampler=BatchSampler(source=Queue(64, None)))
    list(feed)
    state = {name: np.array(array) for name, array in feed.state().items()}
    again = make(walks(), sampler=BatchSampler(source=Queue(64, None)))
    again.restore(state)
    for one in (feed, again):
        one.begin(1)
    assert queued(feed) == queued(again)


def test_a_look_at_the_first_batch_leaves_no_trace():
    feed = pair_feed_of(walks(), sampler=BatchSampler(source=Queue(64, None)))
    untouched = queued(
        pair_feed_of(walks(), sampler=BatchSampler(source=Queue(64, None)))
    )
    next(iter(feed))
    assert queued(feed) == untouched
    feed.begin(1)
    after = queued(feed)
    next(iter(feed))
    assert queued(feed) == after
