"""Ranks of a small data set against their definition."""

from functools import cached_property

import numpy as np
import pytest

from tests.evaluation.fabricate import (
    RANKED,
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

COLUMNS = ("user", "popularity", "ease")

WORLD = World()
WORLDS = [WORLD, pytest.param(MultiVectorWorld(), id="several vectors")]


def ranks_of(scores, targets, seen):
    """The rank of each distinct positive of one user, by item."""
    order = definitions.ranked_list(scores, targets, seen)
    return [order.index(target) for target in sorted(set(targets))]


@pytest.mark.parametrize("world", WORLDS)
def test_where_people_come_back_items_of_the_history_are_ranked(world):
    ranks, exposure = two_tower_tables(world, seen=RANKED)
    rows = zip(world.scores, world.targets, strict=True)
    expected = [rank for scores, own in rows for rank in ranks_of(scores, own, [])]
    assert ranks["exact"].to_pylist() == expected
    through_index = [rank if rank < 10 else None for rank in expected]
    assert ranks["index"].to_pylist() == through_index
    assert set(ranks["n_candidates"].to_pylist()) == {30}
    assert sum(exposure["exact@10"].to_pylist()) == 120


def test_repeated_positives_are_counted():
    ranks, _ = two_tower_tables(WORLD)
    positives = zip(WORLD.targets, WORLD.seen, strict=True)
    expected = [int(i in seen) for own, seen in positives for i in sorted(set(own))]
    assert ranks["is_repeat"].to_pylist() == expected
    assert 1 in expected


def test_exact_lists_hold_repeated_positives_as_those_of_the_index_do():
    _, exposure = two_tower_tables(WORLD, cutoffs=[30])
    excluded = [set(s) - set(t) for s, t in zip(WORLD.seen, WORLD.targets, strict=True)]
    expected = [12 - sum(item in out for out in excluded) for item in range(30)]
    assert exposure["exact@30"].to_pylist() == expected
    assert exposure["index@30"].to_pylist() == expected
    _, baselines = baseline_tables(WORLD, cutoffs=[30])
    assert baselines["ease@30"].to_pylist() == expected


def test_a_cutoff_beyond_the_catalogue_counts_every_candidate():
    whole, far = (two_tower_tables(WORLD, cutoffs=[5, k]) for k in (30, 4_000_000))
    for name in ("exact", "index"):
        assert far[0][name].to_pylist() == whole[0][name].to_pylist()
        counts = far[1][f"{name}@4000000"].to_pylist()
        assert counts == whole[1][f"{name}@30"].to_pylist()


class ColdHistoryWorld(World):
    """User 3's history holds one cold item alone."""

    @cached_property
    def seen(self):
        cold = int(np.flatnonzero(self.n_train == 0)[0])
        return [*super().seen[:3], [cold], *super().seen[4:]]


def test_ease_ranks_by_popularity_where_it_knows_nothing_of_the_history():
    ranks, _ = baseline_tables(ColdHistoryWorld())
    by_user = zip(*(ranks[n].to_pylist() for n in COLUMNS), strict=True)
    differ = {user for user, popularity, ease in by_user if popularity != ease}
    assert differ
    assert not differ & {2, 5}  # users 0 and 3


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
        "is_repeat",
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
