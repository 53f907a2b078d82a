import ibis
import numpy as np
import pytest

from two_tower.evaluation.queries import EvaluationQueries
from two_tower.evaluation.rank_tables import (
    exposure_table,
    join_rankings,
    ranks_table,
    read_exposure,
    read_ranks,
)
from two_tower.ragged import Ragged

QUERIES = EvaluationQueries(
    users=np.array([2, 5], np.int32),
    history=Ragged.from_lists([[], []]),
    targets=Ragged.from_lists([[7, 3], [0]]),
)


def rankings(ranks=(4.0, np.inf, 1.0), queries=QUERIES, **columns):
    table = ranks_table(queries, {**columns, "exact": np.array(ranks)})
    return read_ranks(ibis.memtable(table), list(columns))


def test_a_table_of_ranks_is_ordered_by_user_and_item_with_null_for_no_rank():
    table = ranks_table(QUERIES, {"exact": np.array([4.0, np.inf, 1.0])})
    assert table.to_pydict() == {
        "user": [2, 2, 5],
        "item": [5, 9, 2],
        "exact": [None, 4, 1],
    }


def test_ranks_are_read_back_by_query():
    found = rankings(n_candidates=np.array([9, 9, 8]))
    assert found.items.tolist() == [3, 7, 0]
    assert found.ranks["exact"].values.tolist() == [np.inf, 4, 1]
    assert found.n_positives.tolist() == [2, 1]
    assert found.n_candidates.tolist() == [9, 8]


def test_kept_positives_keep_their_ranks_and_drop_queries_without_any():
    found = rankings(n_candidates=np.array([9, 9, 8])).keep(
        np.array([False, True, False])
    )
    assert found.items.tolist() == [7]
    assert found.ranks["exact"].values.tolist() == [4]
    assert found.n_positives.tolist() == [1]
    assert found.n_candidates.tolist() == [9]


def test_rankings_of_the_same_positives_are_joined():
    found = join_rankings(rankings(n_seen=np.arange(3)), rankings(n_train=np.arange(3)))
    assert list(found.columns) == ["n_seen", "n_train"]


@pytest.mark.parametrize("targets", [[[7, 4], [0]], [[7], [3, 0]]])
def test_rankings_of_other_positives_are_refused(targets):
    others = EvaluationQueries(
        QUERIES.users, QUERIES.history, Ragged.from_lists(targets)
    )
    with pytest.raises(ValueError, match="are different positives"):
        join_rankings(rankings(), rankings(queries=others))


def test_exposure_tables_are_joined_by_item():
    first = exposure_table({"exact": np.array([[1, 0], [2, 3]])}, (1, 5))
    second = exposure_table(
        {"popularity": np.array([[4, 5]])}, (1,), n_train=np.array([6, 7])
    )
    found = read_exposure(ibis.memtable(first), ibis.memtable(second))
    assert found.to_pydict() == {
        "item": [2, 3],
        "exact@1": [1, 0],
        "exact@5": [2, 3],
        "n_train": [6, 7],
        "popularity@1": [4, 5],
    }
