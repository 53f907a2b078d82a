from itertools import pairwise

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sequences.tables import rows
from two_tower.sequences.windows import cut_windows

SCHEMA = pa.schema(
    [
        ("user", pa.int32()),
        ("item", pa.int32()),
        ("timestamp", pa.int64()),
        ("rating", pa.float32()),
        ("position", pa.int32()),
    ]
)


def training(histories):
    """Return training rows of {user: items}; item i of a user is at second 10 · i.

    Its rating is i / 2; the first item has none.
    """
    events = [
        {
            "user": user,
            "item": item,
            "timestamp": 10 * i,
            "rating": i / 2 or None,
            "position": 2 * i,
        }
        for user, items in histories.items()
        for i, item in enumerate(items)
    ]
    return ibis.memtable(pa.Table.from_pylist(events[::-1], SCHEMA))


# covers: A1
def test_windows_are_cut_from_the_end_and_share_one_item():
    assert rows(cut_windows(training({5: [11, 12, 13, 14, 15, 16]}), 2)) == [
        (5, 0, [11], [0], [None], [12], [10]),
        (5, 1, [12, 13], [10, 20], [0.5, 1.0], [13, 14], [20, 30]),
        (5, 2, [14, 15], [30, 40], [1.5, 2.0], [15, 16], [40, 50]),
    ]


@pytest.mark.parametrize(
    ("n_items", "lengths"), [(0, []), (2, [1]), (4, [3]), (5, [1, 3])]
)
def test_n_items_make_n_minus_1_pairs(n_items, lengths):
    windows = rows(cut_windows(training({2: [7] * n_items}), 3), "items")
    assert [len(items) for (items,) in windows] == lengths


@pytest.mark.parametrize("size", [1, 3])
def test_a_single_item_is_a_window_without_a_target(size):
    windows = rows(cut_windows(training({2: [7], 3: [8, 9]}), size))
    assert windows == [
        (2, 0, [7], [0], [None], [], []),
        (3, 0, [8], [0], [None], [9], [10]),
    ]


def test_the_types_are_those_of_the_model_inputs():
    assert cut_windows(training({2: [7, 8]}), 3).schema() == ibis.schema(
        {
            "user": "int32",
            "window": "int32",
            "items": "array<int32>",
            "timestamps": "array<int64>",
            "ratings": "array<float32>",
            "targets": "array<int32>",
            "target_timestamps": "array<int64>",
        }
    )


@settings(deadline=None, max_examples=30)
@given(
    histories=st.dictionaries(
        st.integers(2, 9), st.lists(st.integers(2, 40), max_size=25), max_size=4
    ),
    size=st.integers(1, 8),
)
def test_windows_hold_each_pair_once_and_only_the_oldest_is_short(histories, size):
    found = rows(cut_windows(training(histories), size))
    for user, items in histories.items():
        own = [window for window in found if window[0] == user]
        inputs = [item for window in own for item in window[2]]
        targets = [item for window in own for item in window[5]]
        if len(items) == 1:
            assert (inputs, targets) == (items, [])
            continue
        assert list(zip(inputs, targets, strict=True)) == list(pairwise(items))
        assert [window[1] for window in own] == list(range(len(own)))
        assert all(len(window[2]) == size for window in own[1:])
        assert all(1 <= len(window[2]) <= size for window in own)
        seconds = [second for window in own for second in window[3]]
        assert seconds == [10 * i for i in range(len(seconds))]
        later = [second for window in own for second in window[6]]
        assert later == [10 * (i + 1) for i in range(len(targets))]
    assert found == sorted(found, key=lambda window: window[:2])
