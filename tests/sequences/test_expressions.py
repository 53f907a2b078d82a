from hashlib import md5

import ibis
import pytest

from tests.sequences.tables import rows
from two_tower.sequences.expressions import (
    collect_in_order,
    or_empty,
    random_key,
    unfold,
)

EVENTS = ibis.memtable(
    {
        "user": [1, 2, 1, 1],
        "position": [2, 0, 0, 1],
        "item": [30, 5, 10, 20],
        "rating": [None, 4.0, 1.0, 2.0],
    }
)


def test_lists_are_in_the_order_column_and_keep_nulls():
    lists = {"items": "item", "ratings": "rating"}
    found = collect_in_order(EVENTS, ["user"], "position", lists)
    assert rows(found.order_by("user")) == [
        (1, [10, 20, 30], [1.0, 2.0, None]),
        (2, [5], [4.0]),
    ]


def test_unfolding_gives_the_rows_back_with_their_positions():
    table = ibis.memtable(
        {"user": [1, 2, 3], "a": [[7, 8], [], [9]], "b": [[1, 2], [], [3]]}
    )
    table = table.cast({"a": "array<int64>", "b": "array<int64>"})
    both = unfold(table, ["user"], {"x": "a", "y": "b"}).order_by("user", "position")
    assert rows(both) == [(1, 0, 7, 1), (1, 1, 8, 2), (3, 0, 9, 3)]
    one = unfold(table, ["user"], {"x": "a"}).order_by("user", "position")
    assert rows(one) == [(1, 0, 7), (1, 1, 8), (3, 0, 9)]


def test_missing_lists_become_empty():
    table = ibis.memtable({"a": [[1], None]}, schema={"a": "array<int32>"})
    assert rows(table.select(a=or_empty(table.a))) == [([1],), ([],)]


@pytest.mark.parametrize("values", [[1, 22, -3], ["a", "Ü", ""]])
def test_a_random_key_is_the_md5_of_its_arguments_on_any_engine(values):
    table = ibis.memtable({"value": values})
    found = random_key(table.value, seed=7, purpose="ties").execute()
    assert sorted(found) == sorted(
        md5(f"ties:7:{value}".encode(), usedforsecurity=False).hexdigest()
        for value in values
    )
