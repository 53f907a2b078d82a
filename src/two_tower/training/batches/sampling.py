"""Sampled parts of a batch: negatives, masks of consumed items, views."""

from dataclasses import dataclass, field

import numpy as np

from two_tower.negatives.base import Candidates, Positives, Source
from two_tower.negatives.consumed import Consumed
from two_tower.training.batches.base import Batch
from two_tower.training.batches.views import SampleViews
from two_tower.types import IntArray, State


@dataclass(frozen=True)
class BatchSampler:
    """Adds all sampled parts to a batch, whichever class made the batch.

    Attributes:
        source: of negatives; None for the whole catalogue, which needs no sampling.
        consumed: training items of each user, to be masked; None masks none.
        views: samples items and views for self-supervision; None for none.
        catalogue: `[N]` int32, the columns to mask if there is no source.
    """

    source: Source | None = None
    consumed: Consumed | None = None
    views: SampleViews | None = None
    catalogue: IntArray = field(default_factory=lambda: np.empty(0, np.int32))

    def extend(self, batch: Batch, rng: np.random.Generator) -> None:
        """Add negatives, masks and views to a batch of positives."""
        users, rows = batch["users"], batch["rows"]
        if self.source is not None:
            positives = Positives(users[rows], batch["labels"], batch["weights"])
            batch.update(_as_arrays(self.source.sample(positives, rng)))
        if self.consumed is not None:
            self._mask_consumed(self.consumed, batch)
        if self.views is not None:
            items, left, right = self.views(rng)
            batch.update(views_items=items, views_left=left, views_right=right)

    def _mask_consumed(self, consumed: Consumed, batch: Batch) -> None:
        users, rows = batch["users"], batch["rows"]
        candidates = batch.get("candidates", self.catalogue)
        if candidates.ndim == 1:
            batch["excluded"] = consumed.columns(users, candidates)
            return
        is_consumed = consumed.contains(users[rows][:, None], candidates)
        batch["candidate_weights"] = np.where(
            is_consumed, np.float32(0), batch["candidate_weights"]
        )

    def state(self) -> State:
        """Return what the source remembers of earlier batches."""
        return self.source.state() if self.source is not None else {}

    def restore(self, state: State) -> None:
        """Resume the source from an earlier `state`."""
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
