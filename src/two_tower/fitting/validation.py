"""Full ranking of the validation positives while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from two_tower.fitting.alarms import check_spread
from two_tower.metrics.ranking import mean_figures, query_figures
from two_tower.metrics.ranks import item_positions, worst_ranks
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories, encode_items
from two_tower.towers.two_tower import TwoTower
from two_tower.types import FIRST_ID


@dataclass(frozen=True)
class Validation:
    """Histories with what came next, ranked against the whole catalogue.

    Attributes:
        histories: dense item ids, oldest first; seen items are left out of the ranking.
        targets: dense ids of the positives.
        cutoffs: list lengths that are reported.
        edges: widths that histories are padded to.
        slots: items in a batch.
        item_block: items scored at a time.
    """

    histories: Ragged
    targets: Ragged
    cutoffs: Sequence[int]
    edges: Sequence[int]
    slots: int
    item_block: int

    def evaluate(self, towers: TwoTower) -> dict[str, float]:
        """Return the means of `query_figures`, each name with `val_` before it.

        Raises:
            TrainingError: if all items have the same vector.
        """
        ids = np.arange(FIRST_ID, towers.item_tower.n_items, dtype=np.int32)
        items = encode_items(towers, ids)
        check_spread(items)
        queries = encode_histories(
            towers, self.histories, edges=self.edges, slots=self.slots
        )
        # A repeated positive counts once.
        targets = item_positions(self.targets).distinct()
        ranks = worst_ranks(
            queries,
            items,
            targets,
            item_positions(self.histories),
            item_block=self.item_block,
        )
        figures = query_figures(Ragged(ranks, targets.offsets), cutoffs=self.cutoffs)
        return {f"val_{name}": mean for name, mean in mean_figures(figures).items()}
