"""A small data set for the tests of evaluation: 12 users, 30 items."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import ibis
import numpy as np
import pyarrow as pa

from tests.index.fabricate import bundle_of, unit_vectors
from two_tower.params import Seen
from two_tower.pipelines.evaluation import nodes
from two_tower.pipelines.evaluation.params import (
    Baselines,
    Interests,
    Ranking,
    Report,
)
from two_tower.query_vectors import with_vector_axis

PARAMETERS = {
    "ranking": {"cutoffs": [1, 5, 10], "item_block": 7},
    "baselines": {"ease": {"l2": 2.0, "max_items": 30}},
    "report": {
        "dataset": "small world",
        "headline": 5,
        "intervals": {"resamples": 50, "confidence": 0.9, "seed": 1},
        "slices": {"history_lengths": [0, 1, 6], "head": 0.5, "mid": 0.3},
    },
    "interests": {"users": 3, "history": 2, "recommended": 3},
    "seen": "left_out",
}

LEFT_OUT, RANKED = Seen("left_out"), Seen("ranked")

GROUPS = {
    "ranking": Ranking,
    "baselines": Baselines,
    "report": Report,
    "interests": Interests,
    "seen": Seen,
}

SPLIT_REPORT = {
    "kind": "leave_one_out",
    "shares": None,
    "seed": None,
    "cut_offs": None,
    "selection": {
        "min_rating": None,
        "repeats": "all",
        "min_item_interactions": 5,
        "min_user_interactions": 1,
    },
    "has_times": True,
    "ties": {
        "handling": "file_order",
        "seed": None,
        "share_of_consecutive_pairs": 0.25,
    },
}


def parameters(group, **changes):
    """A group of parameters, with some of its options changed."""
    found = PARAMETERS[group]
    return GROUPS[group].model_validate(found | changes if changes else found)


def table(**columns):
    """Lists become array<int32> or array<float32>, ids int32."""
    types = {
        "user": pa.int32(),
        "item": pa.int32(),
        "window": pa.int32(),
        "vector_index": pa.int32(),
        "items": pa.list_(pa.int32()),
        "targets": pa.list_(pa.int32()),
        "other_seen": pa.list_(pa.int32()),
        "vector": pa.list_(pa.float32()),
        "n_train": pa.int64(),
        "asked_at": pa.int64(),
    }
    arrays = {name: pa.array(rows, types.get(name)) for name, rows in columns.items()}
    return ibis.memtable(pa.table(arrays))


@dataclass(frozen=True)
class World:
    """Item indices of each user: training items, seen items, and positives.

    The items from 25 on are cold, and others; user 0 has no history, user 1 a positive
    that was seen before, user 2 three positives, one of them repeated.
    """

    n_users: int = 12
    n_items: int = 30
    asked_at: int | None = None

    @property
    def training_summary(self):
        return {
            "epochs": 2,
            "kept_epoch": 2,
            "in_words": "The best epoch was the last.",
        }

    @cached_property
    def training(self):
        rng = np.random.default_rng(11)
        weights = 1 / np.arange(1, 26)
        rows = [
            rng.choice(25, 2 + user % 9, replace=False, p=weights / weights.sum())
            for user in range(self.n_users)
        ]
        return [[], *(row.tolist() for row in rows[1:])]

    @cached_property
    def seen(self):
        return [[], *([*row, 20 + i % 5] for i, row in enumerate(self.training[1:]))]

    @cached_property
    def targets(self):
        rng = np.random.default_rng(12)
        rows = [rng.integers(0, 30, 1).tolist() for _ in range(self.n_users)]
        rows[1], rows[2] = [self.seen[1][0]], [29, 3, 8, 3]
        return rows

    @cached_property
    def n_train(self):
        return np.bincount(np.concatenate(self.training).astype(int), minlength=30)

    @cached_property
    def vectors(self):
        return unit_vectors(self.n_items, seed=13)

    @cached_property
    def queries(self):
        return unit_vectors(self.n_users, seed=14)

    @cached_property
    def scores_by_vector(self):
        """`[B, V, N]` float64, cosines of each user's vectors with all items."""
        vectors = with_vector_axis(self.queries).astype(float)
        return vectors @ self.vectors.T.astype(float)

    @property
    def scores(self):
        """`[B, N]` float64, the cosine of the nearest vector."""
        return self.scores_by_vector.max(axis=1)

    @property
    def cold_targets(self):
        """User → cold positives, for users who have any."""
        cold = [sorted({i for i in row if not self.n_train[i]}) for row in self.targets]
        return {user: row for user, row in enumerate(cold) if row}

    @property
    def users(self):
        return list(range(2, self.n_users + 2))

    @property
    def test_queries(self):
        # In another order than the examples: tables have none of their own.
        vectors = with_vector_axis(self.queries)[::-1]
        n_vectors = vectors.shape[1]
        users = np.repeat(self.users[::-1], n_vectors).tolist()
        return table(
            user=users,
            user_id=[f"u{user}" for user in users],
            asked_at=[self.asked_at] * len(users),
            vector_index=list(range(n_vectors)) * self.n_users,
            vector=[vector.tolist() for user in vectors for vector in user],
        )

    @property
    def test_examples(self):
        return table(
            user=self.users,
            items=[[item + 2 for item in row] for row in self.seen],
            targets=[[item + 2 for item in row] for row in self.targets],
            other_seen=[[]] * self.n_users,
        )

    @property
    def item_embeddings(self):
        items = list(range(2, self.n_items + 2))
        ids = [f"x{item}" for item in items]
        return table(item=items, item_id=ids, vector=self.vectors.tolist())

    @property
    def item_index(self):
        ids = [f"x{item}" for item in range(2, self.n_items + 2)]
        return bundle_of(self.vectors, item_ids=ids)

    @property
    def item_vocabulary(self):
        items = list(range(2, self.n_items + 2))[::-1]
        titles = [f"Title {item}" for item in items]
        return table(item=items, title=titles, n_train=self.n_train[::-1])

    @property
    def user_vocabulary(self):
        n_train = [len(items) for items in self.training]
        return table(user=self.users[::-1], n_train=n_train[::-1])

    @property
    def train_sequences(self):
        """Windows of at most four pairs, cut from the end."""
        rows = []
        for user, items in zip(self.users, self.training, strict=True):
            dense = [item + 2 for item in items]
            pairs = list(pairwise(dense))
            starts = range(len(pairs) % 4 - 4, len(pairs), 4)
            windows = [pairs[max(start, 0) : start + 4] for start in starts]
            for number, window in enumerate(filter(None, windows)):
                rows.append((user, number, *map(list, zip(*window, strict=True))))
        user, window, items, targets = zip(*rows, strict=True)
        return table(user=user, window=window, items=items, targets=targets)


class MultiVectorWorld(World):
    """Each user has three vectors."""

    @cached_property
    def queries(self):
        return unit_vectors(3 * self.n_users, seed=14).reshape(self.n_users, 3, -1)


def two_tower_tables(world, *, seen=LEFT_OUT, **changes):
    return nodes.rank_by_two_tower(
        world.test_queries,
        world.test_examples,
        world.item_embeddings,
        world.item_index,
        parameters("ranking", **changes),
        seen,
    )


def baseline_tables(world, *, seen=LEFT_OUT, cutoffs=(1, 5, 10), **ease):
    return nodes.rank_by_baselines(
        world.test_examples,
        world.item_vocabulary,
        world.user_vocabulary,
        world.train_sequences,
        parameters("ranking", cutoffs=list(cutoffs)),
        baselines(**ease),
        seen,
    )


def baselines(**ease):
    return parameters("baselines", ease=PARAMETERS["baselines"]["ease"] | ease)


def cold_ranks(world, *, seen=LEFT_OUT):
    return nodes.rank_among_cold_items(
        world.test_queries,
        world.test_examples,
        world.item_embeddings,
        world.item_vocabulary,
        item_block=7,
        seen=seen,
    )


def interests_of(world, *, seen=LEFT_OUT, **changes):
    return nodes.describe_interests(
        world.test_queries,
        world.test_examples,
        world.item_index,
        world.item_vocabulary,
        parameters("interests", **changes),
        headline=5,
        seen=seen,
    )


def metrics_of(world, baselines_of=None, ease=None, seen=LEFT_OUT, **report):
    """The metrics of a world, with some options of EASE and of the report changed.

    The baselines may be those of another world, as after half a run.
    """
    ranks, exposure = two_tower_tables(world, seen=seen)
    baseline = baseline_tables(baselines_of or world, seen=seen, **(ease or {}))
    tables = {
        "two_tower_ranks": ranks,
        "two_tower_exposure": exposure,
        "baseline_ranks": baseline[0],
        "baseline_exposure": baseline[1],
        "cold_ranks": cold_ranks(world, seen=seen),
    }
    return nodes.compute_metrics(
        SPLIT_REPORT,
        parameters("ranking"),
        baselines(**(ease or {})),
        parameters("report", **report),
        seen,
        test_queries=world.test_queries,
        **{name: ibis.memtable(table) for name, table in tables.items()},
    )
