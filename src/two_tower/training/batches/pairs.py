"""Batches of (user, item) pairs, for queries without a history."""

import math
from collections.abc import Iterator

import numpy as np

from two_tower.training.batches.base import Batch, padded
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.seeded import SeededBatches
from two_tower.types import IntArray


class PairBatches(SeededBatches):
    """Batches of one shape, of pairs in random order; each row is one query.

    The last batch holds the remainder, padded.

    Args:
        users: `[P]` int32 user index of each pair.
        labels: `[P]` int32 item index of each pair.
        size: pairs of a batch.
        chunk: the number of queries is padded to a multiple of it.
        seed: of all randomness.
        sampler: adds negatives, masks and views to each batch.
    """

    def __init__(
        self,
        users: IntArray,
        labels: IntArray,
        *,
        size: int,
        chunk: int,
        seed: int,
        sampler: BatchSampler,
    ) -> None:
        super().__init__(seed, sampler)
        self.users = users
        self.labels = labels
        self.size = size
        self.max_queries = -(-size // chunk) * chunk
        self.n_positives = len(users)

    def positives(self, rng: np.random.Generator) -> Iterator[Batch]:
        order = rng.permutation(self.n_positives)
        rows = np.arange(self.max_queries, dtype=np.int32)
        for start in range(0, self.n_positives, self.size):
            part = order[start : start + self.size]
            weights = np.ones(len(part), np.float32)
            yield {
                "users": padded(self.users[part], self.max_queries),
                "rows": rows,
                "labels": padded(self.labels[part], self.max_queries),
                "weights": padded(weights, self.max_queries),
            }

    def __len__(self) -> int:
        return math.ceil(self.n_positives / self.size)
