"""Full ranking of held-out positives while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from two_tower.metrics.accuracy import mean_metrics, query_metrics
from two_tower.metrics.ranks import dot_product_ranks, item_indices, left_out_items
from two_tower.params import SeenItems
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories
from two_tower.towers.events import Events
from two_tower.towers.two_tower import TwoTower
from two_tower.training.metrics import VALIDATION_PREFIX
from two_tower.types import FloatArray, IntArray


@dataclass(frozen=True)
class Examples:
    """Held-out positives, a row per user.

    Attributes:
        users: `[R]` int32 user indices.
        histories: item indices, oldest first.
        targets: item indices of the positives.
        events: of the histories, for towers that read them.
        other_seen: item indices that the users have seen besides their histories, since
            the selection dropped them; None: none.
    """

    users: IntArray
    histories: Ragged
    targets: Ragged
    events: Events | None = None
    other_seen: Ragged | None = None

    def __len__(self) -> int:
        return len(self.users)

    def sample(self, size: int | None, seed: int) -> "Examples":
        """Return a random sample of `size` users; all of them for None."""
        if size is None or size >= len(self):
            return self
        rows = np.random.default_rng(seed).choice(len(self), size, replace=False)
        rows.sort()
        return Examples(
            self.users[rows],
            self.histories.take(rows),
            self.targets.take(rows),
            None if self.events is None else self.events.take(self.histories, rows),
            None if self.other_seen is None else self.other_seen.take(rows),
        )


@dataclass(frozen=True)
class Validation:
    """Held-out examples, ranked against the whole catalogue.

    Attributes:
        examples: histories and positives.
        cutoffs: k of the metrics.
        boundaries: widths that histories are padded to.
        tokens_per_batch: items in a batch.
        item_block: items scored at a time.
        seen: whether seen items are ranked or left out.
    """

    examples: Examples
    cutoffs: Sequence[int]
    boundaries: Sequence[int]
    tokens_per_batch: int
    item_block: int
    seen: SeenItems = "left_out"

    def evaluate(self, towers: TwoTower, items: FloatArray) -> dict[str, float]:
        """Return the means of `query_metrics`, names prefixed with `val_`.

        Args:
            towers: under training.
            items: `[N, D]` float32, the vectors of all real items, by item row.
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
        others = examples.other_seen
        left_out = left_out_items(
            item_indices(examples.histories),
            None if others is None else item_indices(others),
            self.seen,
        )
        ranks = dot_product_ranks(
            queries, items, targets, left_out, item_block=self.item_block
        )
        metrics = query_metrics(Ragged(ranks, targets.offsets), cutoffs=self.cutoffs)
        return {
            f"{VALIDATION_PREFIX}{name}": mean
            for name, mean in mean_metrics(metrics).items()
        }
