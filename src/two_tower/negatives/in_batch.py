"""Negatives from the batch's own positives."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from two_tower.negatives.base import Candidates, Positives, Source, State
from two_tower.negatives.log_q import Frequencies
from two_tower.types import PADDING, FloatArray, IntArray


class DistinctLabels(NamedTuple):
    """The items of a batch, each once.

    Attributes:
        ids: `[Q]` int32 dense item ids, then padding; Q a multiple of the block.
        counts: `[Q]` float32, at how many places the item is the label.
        column: `[P]` int32, where each place's label stands; 0 for padding.
    """

    ids: IntArray
    counts: FloatArray
    column: IntArray


@dataclass(frozen=True, eq=False)
class InBatch(Source):
    """The batch's positives: a popular item is there as often as it is popular.

    Each item has one column, weighted with the number of its places. The loss is that
    of a column per place, and the item tower runs over the distinct items only.

    Attributes:
        block: the number of columns is a multiple of it, so that batches come in few
            shapes.
        frequencies: what log q is made of, log share; None for no correction.

    References:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations, RecSys 2019.
    """

    block: int
    frequencies: Frequencies | None

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        labels = distinct_labels(positives, self.block)
        log_q = observed_log_share(self.frequencies, positives, labels.ids)
        return Candidates(
            labels.ids, labels.counts, log_q, log_q[labels.column], labels.column
        )

    def state(self) -> State:
        return self.frequencies.state() if self.frequencies else {}

    def restore(self, state: State) -> None:
        if self.frequencies:
            self.frequencies.restore(state)


def distinct_labels(positives: Positives, block: int) -> DistinctLabels:
    """Return the items of a batch, each once, in rising order.

    Args:
        positives: `[P]`; padding does not count.
        block: what the number of columns is a multiple of, at least one block.
    """
    is_real = positives.is_real
    distinct, column_of_real, n_places = np.unique(
        positives.labels[is_real], return_inverse=True, return_counts=True
    )
    n_columns = max(-(-len(distinct) // block), 1) * block
    ids = np.full(n_columns, PADDING, np.int32)
    ids[: len(distinct)] = distinct
    counts = np.zeros(n_columns, np.float32)
    counts[: len(distinct)] = n_places
    column = np.zeros(len(is_real), np.int32)
    column[is_real] = column_of_real
    return DistinctLabels(ids, counts, column)


def observed_log_share(
    frequencies: Frequencies | None, positives: Positives, ids: IntArray
) -> FloatArray:
    """Show a batch to the frequencies, then return the log shares of `ids`.

    Without frequencies the logs are 0. The batch comes first, so that no item of it is
    one that was never seen.
    """
    if frequencies is None:
        return np.zeros(ids.shape, np.float32)
    frequencies.observe(positives.labels[positives.is_real])
    return frequencies.log_share(ids)
