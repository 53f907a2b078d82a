import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.fabricate import World
from tests.index.fabricate import annoy_over, bundle_of
from two_tower.evaluation.queries import read_evaluation_queries
from two_tower.evaluation.top_k_lists import (
    count_exposure,
    rank_through_index,
    top_k_lists,
)
from two_tower.metrics.ranks import dot_scorer, positive_ranks
from two_tower.ragged import Ragged
from two_tower.recommend import seen_filter


def scorer_of(scores):
    table = np.asarray(scores, np.float32)
    return dot_scorer(table, np.eye(table.shape[1], dtype=np.float32))


def test_lists_hold_the_best_unseen_items():
    scorer = scorer_of([[1, 5, 3, 4], [1, 5, 3, 4]])
    (lists,) = top_k_lists(scorer, Ragged.from_lists([[], [1, 3]]), 3, item_block=3)
    assert lists.tolist() == [[1, 3, 2], [2, 0, -1]]


@given(
    st.lists(st.integers(-2, 2), min_size=1, max_size=9).flatmap(
        lambda row: st.tuples(
            st.just(row), st.sets(st.integers(0, len(row) - 1)), st.integers(1, 10)
        )
    ),
    st.integers(1, 4),
)
def test_equal_scores_are_ordered_by_item_index(problem, k):
    scores, seen, item_block = problem
    kept = [item for item in range(len(scores)) if item not in seen]
    best = sorted(kept, key=lambda item: (-scores[item], item))[:k]
    found = top_k_lists(
        scorer_of([scores]), Ragged.from_lists([seen]), k, item_block=item_block
    )
    assert [lists.tolist() for lists in found] == [
        [best + [-1] * (min(k, len(scores)) - len(best))]
    ]


def test_exposure_is_counted_over_all_queries():
    scorer = scorer_of([[3, 2, 1, 0]] * 300 + [[0, 1, 2, 3]] * 200)
    seen = Ragged.from_lists([[]] * 500)
    counts = count_exposure(scorer, seen, (1, 3), item_block=2)
    assert counts.tolist() == [[300, 0, 0, 200], [300, 500, 500, 200]]


def test_an_index_that_finds_everything_gives_the_exact_ranks():
    world = World()
    queries = read_evaluation_queries(world.test_examples)
    scorer = dot_scorer(world.queries, world.vectors)
    exact = positive_ranks(scorer, queries.targets, queries.excluded, item_block=8)
    ranks, counts = rank_through_index(
        world.item_index, world.queries, queries, cutoffs=(1, 30)
    )
    np.testing.assert_array_equal(ranks, exact)
    # A positive stays a candidate although it was seen.
    rows = zip(world.seen, world.targets, strict=True)
    n_excluded = sum(len(set(seen) - set(targets)) for seen, targets in rows)
    assert counts.sum(axis=1).tolist() == [12, 12 * 30 - n_excluded]


def test_a_positive_outside_the_served_list_is_a_miss():
    world = World()
    queries = read_evaluation_queries(world.test_examples)
    scorer = dot_scorer(world.queries, world.vectors)
    exact = positive_ranks(scorer, queries.targets, queries.excluded, item_block=8)
    ranks, _ = rank_through_index(
        world.item_index, world.queries, queries, cutoffs=(4,)
    )
    np.testing.assert_array_equal(ranks, np.where(exact < 4, exact, np.inf))


def test_ties_outside_the_served_list_rank_before_the_positive():
    # All items have equal vectors, so no positive ranks within the list.
    world = World()
    queries = read_evaluation_queries(world.test_examples)
    same = bundle_of(np.tile(world.vectors[:1], (30, 1)))
    ranks, _ = rank_through_index(same, world.queries, queries, cutoffs=(1, 4))
    assert np.isinf(ranks).all()


def test_queries_are_filtered_and_searched_block_by_block(monkeypatch):
    world = World()
    queries = read_evaluation_queries(world.test_examples)
    arguments = (world.item_index, world.queries, queries, (1, 10))
    ranks, counts = rank_through_index(*arguments)
    sizes = []

    def spy(*arguments, seen, **options):
        sizes.append(len(seen))
        return seen_filter.search_filtered(*arguments, seen=seen, **options)

    module = "two_tower.evaluation.top_k_lists"
    monkeypatch.setattr(f"{module}.search_filtered", spy)
    monkeypatch.setattr(f"{module}.QUERIES_PER_SEARCH", 5)
    in_blocks = rank_through_index(*arguments)
    assert sizes == [5, 5, 2]
    np.testing.assert_array_equal(in_blocks[0], ranks)
    np.testing.assert_array_equal(in_blocks[1], counts)


def test_an_index_of_low_recall_serves_other_items():
    world = World(n_users=12, n_items=2000)
    queries = read_evaluation_queries(world.test_examples)
    index = annoy_over(world.vectors, n_trees=1, search_k=1)
    bundle = bundle_of(world.vectors, index=index)
    _, good = rank_through_index(
        bundle_of(world.vectors), world.queries, queries, cutoffs=(10,)
    )
    _, poor = rank_through_index(bundle, world.queries, queries, cutoffs=(10,))
    assert good.sum() == poor.sum() == pytest.approx(120)
    assert (good != poor).any()
