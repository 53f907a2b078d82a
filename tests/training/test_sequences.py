import numpy as np
import pyarrow as pa
import pytest

from two_tower.training.sequences import Sequences

SCHEMA = pa.schema(
    {
        "user": pa.int32(),
        "window": pa.int32(),
        "items": pa.list_(pa.int32()),
        "targets": pa.list_(pa.int32()),
    }
)


def batch(*rows):
    return pa.RecordBatch.from_pylist(
        [dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA
    )


# One user with two windows (2 3 | 4 5 6), one with a single pair (5 → 2).
BATCHES = [
    batch((2, 0, [2], [3]), (2, 1, [3, 4, 5], [4, 5, 6])),
    batch((3, 0, [5], [2])),
]


def test_sequences_are_gathered_from_all_batches():
    sequences = Sequences.from_batches(BATCHES)
    assert sequences.items.values.tolist() == [2, 3, 4, 5, 5]
    assert sequences.targets.offsets.tolist() == [0, 1, 4, 5]
    assert sequences.is_first.tolist() == [True, False, True]
    assert sequences.users.tolist() == [2, 2, 3]


def test_positives_are_all_targets_and_each_users_first_item():
    sequences = Sequences.from_batches(BATCHES)
    # 3 4 5 6 and 2 came next; 2 and 5 came first.
    assert sequences.n_positives == 7
    counts = sequences.count_positives(8)
    np.testing.assert_array_equal(counts, [0, 0, 2, 1, 1, 2, 1, 0])


@pytest.mark.parametrize("batches", [[], [batch()]])
def test_training_on_nothing_is_one_clear_error(batches):
    with pytest.raises(ValueError, match=r"train_sequences has no rows.*minimum"):
        Sequences.from_batches(batches)


def test_pairs_are_each_user_with_each_item():
    users, labels = Sequences.from_batches(BATCHES).pairs()
    pairs = sorted(zip(users.tolist(), labels.tolist(), strict=True))
    assert pairs == [(2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (3, 2), (3, 5)]


def test_a_user_with_a_single_item_is_trained_on_it():
    sequences = Sequences.from_batches([batch((2, 0, [7], []))])
    assert sequences.n_positives == 1
    assert [array.tolist() for array in sequences.pairs()] == [[2], [7]]


EVENTS_SCHEMA = SCHEMA.append(pa.field("timestamps", pa.list_(pa.int64())))
EVENTS_SCHEMA = EVENTS_SCHEMA.append(pa.field("ratings", pa.list_(pa.float32())))
EVENTS_SCHEMA = EVENTS_SCHEMA.append(
    pa.field("target_timestamps", pa.list_(pa.int64()))
)


# covers: A1
def test_events_are_gathered_where_towers_read_them():
    long_ago = -(2**40)  # more than 32 bits, and before 1970
    rows = [
        (2, 0, [2, 3], [3, 4], [long_ago, 20], [None, 4.5], [20, 2**40]),
        (3, 0, [5], [], [7], [0.5], []),
    ]
    batches = [
        pa.RecordBatch.from_pylist(
            [dict(zip(EVENTS_SCHEMA.names, row, strict=True))], EVENTS_SCHEMA
        )
        for row in rows
    ]
    events = Sequences.from_batches(batches, with_events=True).events
    np.testing.assert_array_equal(events.timestamps, [long_ago, 20, 7])
    np.testing.assert_array_equal(events.ratings, np.float32([np.nan, 4.5, 0.5]))
    np.testing.assert_array_equal(events.target_timestamps, [20, 2**40])
    dtypes = [array.dtype.name for array in vars(events).values()]
    assert dtypes == ["int64", "float32", "int64"]


def test_events_take_no_memory_where_they_are_not_read():
    assert Sequences.from_batches(BATCHES).events is None
