"""Sources of negatives: what they take, what they return, how they are built."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from two_tower.negatives.consumed import Consumed
from two_tower.negatives.log_q import Frequencies
from two_tower.params import Params
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, PADDING, FloatArray, IntArray, State, Tensor


class Positives(NamedTuple):
    """The queries of a batch with their positives.

    Attributes:
        users: `[P]` int32 user indices; `OUT_OF_VOCABULARY` or less for unknown users.
        labels: `[P]` int32 item indices of the positives.
        weights: `[P]` float32; 0 for padding, which no source reads.
    """

    users: IntArray
    labels: IntArray
    weights: FloatArray

    @property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """`[P]` bool, False for padding."""
        return self.weights > 0


class Candidates(NamedTuple):
    """Candidate items of a batch: its negatives, and positives where a source has them.

    All queries share them (`[Q]`), or each query has n of its own (`[P, n]`).

    Attributes:
        ids: `[Q]` or `[P, n]` int32 item indices.
        weights: same shape, float32, the number of negatives that a column stands for;
            0 masks it.
        log_q: same shape, float32, natural log of the expected number of times that the
            source samples the item; 0 without correction. Sources that contain the
            positives drop a factor common to all q, also from `own_log_q`: a softmax is
            invariant to it.
        own_log_q: `[P]` float32, log q of each query's own positive.
        own_column: `[P]` int32, a column that holds the query's own positive (any
            column for padding); None if the source does not contain the positives.
    """

    ids: Tensor
    weights: Tensor
    log_q: Tensor
    own_log_q: Tensor
    own_column: Tensor | None = None


class Source(Protocol):
    """Samples the candidates of each batch, on the host.

    A source with a memory of earlier batches exposes it as `state`, so that a resumed
    training samples what an uninterrupted one would have sampled.
    """

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        """Return the candidates of a batch, and remember the batch if need be.

        Args:
            positives: `[P]` queries of the batch.
            rng: source of all randomness.
        """

    def state(self) -> State:
        """Return copies of everything that the source remembers."""
        return {}

    def restore(self, state: State) -> None:
        """Resume from an earlier `state`."""
        del state  # a source without a memory has nothing to restore


@dataclass(frozen=True, eq=False)
class NegativeData:
    """Training interactions, as sources of negatives read them.

    Attributes:
        users: `[C]` int32 user indices of the training positives.
        items: `[C]` int32 item indices of the training positives.
        n_users: rows of the user table, reserved indices included.
        n_items: rows of the item table, reserved indices included.
        candidates: `[N]` int32, the items with training interactions, ascending.
        explicit_negatives: item indices by user index, from 0.
    """

    users: IntArray
    items: IntArray
    n_users: int
    n_items: int
    candidates: IntArray
    explicit_negatives: Ragged

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """`[n_items]` int64, training positives of each item."""
        return np.bincount(self.items, minlength=self.n_items)

    @cached_property
    def consumed(self) -> Consumed:
        """Items that each user has interacted with in training."""
        return Consumed.from_pairs(
            self.users, self.items, n_users=self.n_users, n_items=self.n_items
        )


class SourceParams(Params, ABC):
    """Options of a source of negatives, and how it is built.

    Attributes:
        contains_positives: whether queries find their own positive among the
            candidates.
        follows_positives: whether an item is sampled as often as it is a positive, so
            that log q is the log of its frequency.
    """

    contains_positives: ClassVar[bool] = False
    follows_positives: ClassVar[bool] = False

    @property
    def per_query(self) -> bool:
        """Whether each query has candidates of its own; else the batch shares them."""
        return False

    @abstractmethod
    def build(
        self, data: NegativeData, frequencies: Frequencies | None
    ) -> Source | None:
        """Return the source, or None if candidates need no sampling.

        Args:
            data: the training interactions.
            frequencies: shares of training positives, for log q; None for no log q
                correction.
        """


def with_certain_positives(
    ids: npt.NDArray[np.integer],
    expected: float | npt.NDArray[np.floating],
    positives: Positives,
    *,
    log_q: bool,
    is_found: npt.ArrayLike = True,
) -> Candidates:
    """Return sampled ids as candidates, for queries whose positive is certain.

    With q = 1 for the positive, the corrected sum of exponentials is an unbiased
    estimate of the sum over all items that can be sampled.

    Args:
        ids: `[Q]` or `[P, n]` int. In the latter, a query's own positive gets weight 0,
            and ids of padding rows become padding of weight 0, so that batch norm does
            not see them.
        expected: expected number of times that each id is sampled; above 0, broadcasts
            to `ids`.
        positives: `[P]` queries of the batch.
        log_q: whether to correct; without, all logs are 0.
        is_found: bool, broadcasts to `ids`; False where nothing could be sampled: the
            id becomes padding of weight 0.
    """
    is_sampled = np.broadcast_to(is_found, ids.shape)
    if ids.ndim > 1:
        is_sampled = is_sampled & positives.is_real[:, None]
    ids = np.where(is_sampled, ids, PADDING).astype(np.int32)
    if ids.ndim > 1:
        is_sampled = is_sampled & (ids != positives.labels[:, None])
    logs = np.log(expected) if log_q else 0.0
    return Candidates(
        ids,
        is_sampled.astype(np.float32),
        np.broadcast_to(logs, ids.shape).astype(np.float32),
        np.zeros(len(positives.labels), np.float32),
    )


def whole_catalogue(is_trained: npt.NDArray[np.bool_], labels: Tensor) -> Candidates:
    """Return every real item once, as candidates; runs in the graph.

    A column for each item, so that the vectors of all items need no gathering.

    Args:
        is_trained: `[n_items]` bool, items with training interactions; others have
            weight 0.
            Values of reserved indices do not matter.
        labels: `[P]` int32 item indices of the positives.
    """
    from keras import ops  # the other sources are NumPy alone

    ids = ops.arange(FIRST_ID, len(is_trained), dtype="int32")
    weights = ops.convert_to_tensor(is_trained[FIRST_ID:].astype(np.float32))
    own_log_q = ops.zeros_like(labels, dtype="float32")
    return Candidates(ids, weights, ops.zeros_like(weights), own_log_q)
