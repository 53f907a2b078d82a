"""In-batch negatives: the batch's other positives."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from two_tower.negatives.base import (
    Candidates,
    NegativeData,
    Positives,
    Source,
    SourceParams,
)
from two_tower.negatives.log_q import Frequencies
from two_tower.params import Rows
from two_tower.types import PADDING, FloatArray, IntArray, State


class InBatchParams(SourceParams):
    """The batch's other positives."""

    contains_positives: ClassVar[bool] = True
    follows_positives: ClassVar[bool] = True

    block: Rows = Field(
        description="the number of distinct candidates is padded to a multiple"
    )

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> Source:
        del data
        return InBatch(self.block, frequencies)


class DistinctLabels(NamedTuple):
    """The positives of a batch, each item once.

    Attributes:
        ids: `[Q]` int32 item indices, then padding; Q a multiple of the block.
        counts: `[Q]` float32, the number of queries with this positive.
        column: `[P]` int32, the column of each query's positive; 0 for padding.
    """

    ids: IntArray
    counts: FloatArray
    column: IntArray


@dataclass(frozen=True, eq=False)
class InBatch(Source):
    """The batch's positives: an item is sampled as often as it is a positive.

    Each item has one column, weighted by its number of queries. The loss equals that of
    a column per query, and the item tower embeds distinct items only.

    Attributes:
        block: the number of columns is a multiple of it, so that batches come in few
            shapes.
        frequencies: shares for log q; None for no correction.

    References:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations, RecSys 2019.
    """

    block: int
    frequencies: Frequencies | None

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
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
    """Return the positives of a batch, each item once, ascending.

    Args:
        positives: `[P]`; padding does not count.
        block: the number of columns is a multiple of it, at least one block.
    """
    is_real = positives.is_real
    distinct, column_of_real, n_queries = np.unique(
        positives.labels[is_real], return_inverse=True, return_counts=True
    )
    n_columns = max(-(-len(distinct) // block), 1) * block
    ids = np.full(n_columns, PADDING, np.int32)
    ids[: len(distinct)] = distinct
    counts = np.zeros(n_columns, np.float32)
    counts[: len(distinct)] = n_queries
    column = np.zeros(len(is_real), np.int32)
    column[is_real] = column_of_real
    return DistinctLabels(ids, counts, column)


def observed_log_share(
    frequencies: Frequencies | None, positives: Positives, ids: IntArray
) -> FloatArray:
    """Update the frequencies with a batch, then return the log shares of `ids`.

    Without frequencies the logs are 0. The batch is observed first, so that none of its
    items counts as never seen.
    """
    if frequencies is None:
        return np.zeros(ids.shape, np.float32)
    frequencies.observe(positives.labels[positives.is_real])
    return frequencies.log_share(ids)
