"""What is drawn for a batch beside its positives: negatives, exclusions, views."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from two_tower.negatives.base import Candidates, Positives, Source, State
from two_tower.negatives.consumed import Consumed
from two_tower.training.batches.base import Batch
from two_tower.training.batches.views import Views
from two_tower.types import IntArray

DrawViews: TypeAlias = Callable[[np.random.Generator], Views]


@dataclass(frozen=True)
class Additions:
    """All that chance adds to a batch, in one place for every feed.

    Attributes:
        source: of negatives; None for the whole catalogue, which needs no draw.
        consumed: whose items are no negatives of their users; None masks none.
        views: draws the items of a self-supervised term and their views; or None.
        catalogue: `[N]` int32, the columns to mask where there is no source.
    """

    source: Source | None = None
    consumed: Consumed | None = None
    views: DrawViews | None = None
    catalogue: IntArray = field(default_factory=lambda: np.empty(0, np.int32))

    def add(self, batch: Batch, rng: np.random.Generator) -> None:
        """Put the additions into a batch, which has its positives already."""
        users, rows = batch["users"], batch["rows"]
        if self.source is not None:
            positives = Positives(users[rows], batch["labels"], batch["weights"])
            batch.update(_as_arrays(self.source.draw(positives, rng)))
        if self.consumed is not None:
            self._exclude(self.consumed, batch)
        if self.views is not None:
            items, left, right = self.views(rng)
            batch.update(views_items=items, views_left=left, views_right=right)

    def _exclude(self, consumed: Consumed, batch: Batch) -> None:
        users, rows = batch["users"], batch["rows"]
        candidates = batch.get("candidates", self.catalogue)
        if candidates.ndim == 1:
            batch["excluded"] = consumed.columns(users, candidates)
            return
        is_met = consumed.contains(users[rows][:, None], candidates)
        batch["candidate_weights"] = np.where(
            is_met, np.float32(0), batch["candidate_weights"]
        )

    def state(self) -> State:
        """Return what the source remembers of earlier batches."""
        return self.source.state() if self.source is not None else {}

    def restore(self, state: State) -> None:
        """Let the source go on from what `state` returned."""
        if self.source is not None:
            self.source.restore(state)


def _as_arrays(candidates: Candidates) -> Batch:
    arrays = {
        "candidates": candidates.ids,
        "candidate_weights": candidates.weights,
        "candidate_log_q": candidates.log_q,
        "own_log_q": candidates.own_log_q,
    }
    if candidates.own_column is not None:
        arrays["own_column"] = candidates.own_column
    return arrays
