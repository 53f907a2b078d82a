"""Full ranking of the validation positives while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from two_tower.metrics.ranking import mean_figures, query_figures
from two_tower.metrics.ranks import item_positions, worst_ranks
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_histories
from two_tower.towers.two_tower import TwoTower
from two_tower.types import OUT_OF_VOCABULARY, FloatArray


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

    def evaluate(self, towers: TwoTower, items: FloatArray) -> dict[str, float]:
        """Return the means of `query_figures`, each name with `val_` before it.

        Args:
            towers: as trained so far.
            items: `[N, D]`, the unit vectors of all real items, by dense id.
        """
        queries = encode_histories(
            towers,
            self.histories,
            np.full(len(self.histories), OUT_OF_VOCABULARY, np.int32),
            edges=self.edges,
            slots=self.slots,
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
