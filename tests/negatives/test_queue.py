import numpy as np
import pytest

from tests.negatives.batches import as_columns_per_query, cross_entropy, queries
from two_tower.negatives.log_q import ExactFrequencies, log_share_of_rows
from two_tower.negatives.queue import Queue, occurrences

RNG = np.random.default_rng(0)


# covers: A35, A37, X3
def test_a_cold_queue_holds_the_batch_last_and_empty_entries_of_weight_zero():
    found = Queue(5, None).sample(queries([7, 4, 7]), RNG)
    assert found.ids.tolist() == [0, 0, 7, 4, 7]
    assert found.weights.tolist() == [0, 0, 1, 1, 1]
    assert found.own_column.tolist() == [2, 3, 4]


# covers: A35
def test_the_oldest_ids_leave_first():
    queue = Queue(5, None)
    queue.sample(queries([2, 3, 4]), RNG)
    queue.sample(queries([5]), RNG)
    found = queue.sample(queries([6, 7, 8]), RNG)
    assert found.ids.tolist() == [4, 5, 6, 7, 8]
    assert found.weights.all()
    assert found.own_column.tolist() == [2, 3, 4]


def test_padding_is_not_pushed():
    queue = Queue(4, None)
    queue.sample(queries([2, 3]), RNG)
    found = queue.sample(queries([9, 5, 0], weights=[0, 1, 0]), RNG)
    assert found.ids.tolist() == [0, 2, 3, 5]
    assert found.own_column[1] == 3


# covers: A35
def test_a_queue_smaller_than_the_batch_is_refused():
    Queue(3, None).sample(queries([2, 3, 4]), RNG)
    with pytest.raises(ValueError, match=r"4 queries .* queue of 3"):
        Queue(3, None).sample(queries([2, 3, 4, 5]), RNG)


# covers: L18
def test_log_q_is_the_log_share_of_each_entry():
    log_shares = log_share_of_rows(np.array([0, 0, 1, 3]))
    queue = Queue(3, ExactFrequencies(log_shares))
    queue.sample(queries([2]), RNG)
    found = queue.sample(queries([3]), RNG)
    np.testing.assert_allclose(found.log_q[1:], np.log([1 / 4, 3 / 4]), rtol=1e-6)
    np.testing.assert_allclose(found.own_log_q, [np.log(3 / 4)], rtol=1e-6)


# covers: A35, A37
@pytest.mark.parametrize("mask_hits", [False, True])
def test_a_cold_queue_gives_the_loss_of_the_batch_alone(mask_hits):
    rng = np.random.default_rng(1)
    positives = queries(rng.integers(2, 8, 6))
    scores = rng.normal(size=(6, 8))
    log_q = np.log(rng.dirichlet(np.ones(8)) + 1e-3).astype(np.float32)
    cold = Queue(40, ExactFrequencies(log_q)).sample(positives, rng)
    alone = as_columns_per_query(positives, log_q)
    found = cross_entropy(scores, positives, cold, mask_hits=mask_hits)
    expected = cross_entropy(scores, positives, alone, mask_hits=mask_hits)
    assert found == pytest.approx(expected, rel=1e-6)


def test_what_was_handed_out_does_not_change_with_the_next_batch():
    queue = Queue(3, None)
    first = queue.sample(queries([2, 3]), RNG)
    queue.sample(queries([4, 5]), RNG)
    assert first.ids.tolist() == [0, 2, 3]


# covers: A39
def test_the_hard_part_is_the_oldest_and_leaves_room_for_a_batch():
    queue = Queue(5, None, hard=2)
    queue.sample(queries([2, 3, 4]), RNG)
    found = queue.sample(queries([5, 6]), RNG)
    assert found.ids.tolist() == [2, 3, 4, 5, 6]
    with pytest.raises(
        ValueError, match=r"4 queries .* queue of 5 ids, 2 of them hard"
    ):
        queue.sample(queries([2, 3, 4, 5]), RNG)


# covers: A39
@pytest.mark.parametrize("hard", [-1, 5, 6])
def test_a_hard_part_that_leaves_no_easy_one_is_refused(hard):
    with pytest.raises(ValueError, match=f"hard is {hard}, .* set hard to 0 … 4"):
        Queue(5, None, hard=hard)


# covers: A40
def test_a_repeated_easy_id_shares_one_weight_among_its_entries():
    queue = Queue(7, None, hard=2, unique=True)
    found = queue.sample(queries([8, 9, 8, 8]), RNG)
    assert found.weights.tolist() == pytest.approx([0, 0, 0, 1 / 3, 1, 1 / 3, 1 / 3])
    # The first 8 has become the hard part's: it weighs 1, and no longer counts.
    found = queue.sample(queries([9, 7]), RNG)
    assert found.ids.tolist() == [0, 8, 9, 8, 8, 9, 7]
    expected = [0, 1, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1]
    assert found.weights.tolist() == pytest.approx(expected)


# covers: A40
def test_occurrences_are_counted_where_they_stand():
    assert occurrences(np.array([4, 2, 4, 4, 3])).tolist() == [3, 1, 3, 3, 1]
