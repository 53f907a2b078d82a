"""Full ranking of the validation positives while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from two_tower.metrics.accuracy import mean_metrics, query_metrics
from two_tower.metrics.ranks import dot_product_ranks, item_indices
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories
from two_tower.towers.events import Events
from two_tower.towers.two_tower import TwoTower
from two_tower.types import FloatArray, IntArray


@dataclass(frozen=True)
class Examples:
    """What is held out: one row per user.

    Attributes:
        users: `[R]` int32 dense user ids.
        histories: dense item ids, oldest first; seen items are left out of the ranking.
        targets: dense ids of the positives.
        events: of the histories, for towers that read them.
    """

    users: IntArray
    histories: Ragged
    targets: Ragged
    events: Events | None = None

    def __len__(self) -> int:
        return len(self.users)

    def sample(self, size: int | None, seed: int) -> "Examples":
        """Return `size` of the users, drawn by the seed alone; None returns all."""
        if size is None or size >= len(self):
            return self
        rows = np.random.default_rng(seed).choice(len(self), size, replace=False)
        rows.sort()
        return Examples(
            self.users[rows],
            self.histories.take(rows),
            self.targets.take(rows),
            None if self.events is None else self.events.take(self.histories, rows),
        )


@dataclass(frozen=True)
class Validation:
    """Held-out examples, ranked against the whole catalogue.

    Attributes:
        examples: who is asked for what.
        cutoffs: list lengths that are reported.
        boundaries: widths that histories are padded to.
        tokens_per_batch: items in a batch.
        item_block: items scored at a time.
    """

    examples: Examples
    cutoffs: Sequence[int]
    boundaries: Sequence[int]
    tokens_per_batch: int
    item_block: int

    def evaluate(self, towers: TwoTower, items: FloatArray) -> dict[str, float]:
        """Return the means of `query_metrics`, each name with `val_` before it.

        Args:
            towers: as trained so far.
            items: `[N, D]`, the vectors of all real items, by dense id.
        """
        examples = self.examples
        queries = encode_histories(
            towers,
            examples.histories,
            examples.users,
            boundaries=self.boundaries,
            tokens_per_batch=self.tokens_per_batch,
            events=examples.events,
        )
        # A repeated positive counts once.
        targets = item_indices(examples.targets).distinct()
        ranks = dot_product_ranks(
            queries,
            items,
            targets,
            item_indices(examples.histories),
            item_block=self.item_block,
        )
        figures = query_metrics(Ragged(ranks, targets.offsets), cutoffs=self.cutoffs)
        return {f"val_{name}": mean for name, mean in mean_metrics(figures).items()}
