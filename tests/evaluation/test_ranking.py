"""Ranks of a small data set against their definition."""

from functools import cached_property

import numpy as np
import pytest

from tests.evaluation.fabricate import (
    MultiVectorWorld,
    World,
    baseline_tables,
    cold_ranks,
    two_tower_tables,
)
from tests.index.fabricate import bundle_of
from tests.metrics import definitions
from two_tower.evaluation.queries import read_evaluation_queries
from two_tower.evaluation.ranking import (
    baseline_scorers,
    rank_by_model,
    rank_cold_items,
)

WORLD = World()
WORLDS = [WORLD, pytest.param(MultiVectorWorld(), id="several vectors")]


def ranks_of(scores, targets, seen):
    """The rank of each distinct positive of one user, by item."""
    order = definitions.ranked_list(scores, targets, seen)
    return [order.index(target) for target in sorted(set(targets))]


# covers: A33 X6
@pytest.mark.parametrize("world", WORLDS)
def test_items_are_ranked_by_the_cosine_of_the_nearest_vector(world):
    ranks, exposure = two_tower_tables(world)
    rows = zip(world.scores, world.targets, world.seen, strict=True)
    expected = [rank for row in rows for rank in ranks_of(*row)]
    assert ranks["exact"].to_pylist() == expected
    through_index = [rank if rank < 10 else None for rank in expected]
    assert ranks["index"].to_pylist() == through_index
    # Several vectors don't make a list longer.
    assert sum(exposure["index@10"].to_pylist()) == 120


@pytest.mark.parametrize("world", WORLDS)
def test_cold_items_are_ranked_among_themselves(world):
    items = np.flatnonzero(world.n_train == 0)
    expected = []
    for user, positives in world.cold_targets.items():
        targets = np.searchsorted(items, positives)
        seen = [np.searchsorted(items, i) for i in world.seen[user] if i in items]
        expected += ranks_of(world.scores[user][items], targets, seen)
    assert cold_ranks(world)["exact"].to_pylist() == expected


class WarmWorld(World):
    """Each item has a training interaction."""

    @cached_property
    def n_train(self):
        return np.maximum(super().n_train, 1)


def test_without_cold_items_their_table_of_ranks_is_empty():
    ranks = cold_ranks(WarmWorld())
    assert ranks.num_rows == 0
    assert ranks.column_names == ["user", "item", "n_candidates", "exact"]


def test_ranks_are_a_row_per_positive_with_history_length_and_candidates():
    ranks, exposure = two_tower_tables(WORLD)
    assert ranks.column_names == [
        "user",
        "item",
        "n_seen",
        "n_candidates",
        "exact",
        "index",
    ]
    assert ranks["user"].to_pylist()[2:5] == [4, 4, 4]
    assert ranks["item"].to_pylist()[2:5] == [5, 10, 31]
    assert ranks["n_seen"].to_pylist()[0] == 0
    is_far = np.array(ranks["exact"]) >= 10
    assert ranks["index"].is_null().to_pylist() == is_far.tolist()
    assert exposure["item"].to_pylist() == list(range(2, 32))
    assert sum(exposure["exact@10"].to_pylist()) == 120


def test_baseline_ranks_hold_the_training_interactions_of_item_and_user():
    ranks, exposure = baseline_tables(WORLD)
    items, users = np.array(ranks["item"]) - 2, np.array(ranks["user"]) - 2
    assert ranks["item_n_train"].to_pylist() == WORLD.n_train[items].tolist()
    trained_on = [len(WORLD.training[user]) for user in users]
    assert ranks["user_n_train"].to_pylist() == trained_on
    assert exposure["n_train"].to_pylist() == WORLD.n_train.tolist()


@pytest.mark.parametrize(
    ("max_items", "names"), [(30, ["popularity", "ease"]), (29, ["popularity"])]
)
def test_a_catalogue_above_max_items_has_no_ease(max_items, names):
    scorers = baseline_scorers(
        read_evaluation_queries(WORLD.test_examples),
        WORLD.train_sequences,
        WORLD.n_train,
        l2=2.0,
        max_items=max_items,
    )
    assert list(scorers) == names


def test_an_index_of_other_items_is_refused():
    queries = read_evaluation_queries(WORLD.test_examples)
    with pytest.raises(ValueError, match="item_index holds 29 items"):
        rank_by_model(
            queries,
            WORLD.queries,
            WORLD.vectors,
            bundle_of(WORLD.vectors[:29]),
            cutoffs=(1, 5),
            item_block=7,
        )


def test_cold_items_of_another_vocabulary_are_refused():
    queries = read_evaluation_queries(WORLD.test_examples)
    with pytest.raises(ValueError, match="item_embeddings holds 30 items"):
        rank_cold_items(
            queries, WORLD.queries, WORLD.vectors, np.zeros(31, int), item_block=7
        )
