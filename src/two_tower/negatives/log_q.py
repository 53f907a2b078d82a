"""Log q: how often each item is a positive, counted beforehand or estimated."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from two_tower.params import Count, OneOf, Params, Size
from two_tower.types import FloatArray, IntArray, State

# Share of an item that training never saw; it keeps the logarithm finite.
SMALLEST_SHARE = 1e-8

# Only the upper half of a 64-bit product depends on all bits of an id.
UPPER_HALF = np.uint64(32)


class Frequencies(Protocol):
    """Shares of items among the training positives, known or learned."""

    def observe(self, ids: IntArray) -> None:
        """Learn from the positives of a batch, `[K]` int32 item indices in order."""

    def log_share(self, ids: IntArray) -> FloatArray:
        """Return the natural log of each item's share of positives.

        Args:
            ids: int32 item indices of any shape.

        Returns:
            The same shape, float32, from log 1e-8 for items never seen up to 0.
        """

    def state(self) -> State:
        """Return copies of everything learned."""
        return {}

    def restore(self, state: State) -> None:
        """Resume from an earlier `state`."""
        del state  # known shares do not change


@dataclass(frozen=True, eq=False)
class ExactFrequencies(Frequencies):
    """Shares counted before training.

    Attributes:
        log_shares: `[n_items]` float32, from `log_share_of_rows`.
    """

    log_shares: FloatArray

    def observe(self, ids: IntArray) -> None:
        """Learn nothing: all shares are known."""

    def log_share(self, ids: IntArray) -> FloatArray:
        return self.log_shares[ids]


def log_share_of_rows(counts: np.ndarray) -> FloatArray:
    """Return the natural log of each item's share of all training positives.

    Args:
        counts: `[n_items]` int, training positives of each item.

    Returns:
        `[n_items]` float32, from log 1e-8 for items without positives up to 0.
    """
    shares = counts / max(int(counts.sum()), 1)
    return np.log(np.clip(shares, SMALLEST_SHARE, 1.0)).astype(np.float32)


class StreamingFrequencies(Frequencies):
    """Estimated from the intervals between an item's occurrences, in rows.

    An item that recurs every δ rows has the share 1 / δ. Each hash function sends the
    item to a bucket, which keeps the row of the last occurrence and the mean interval.
    Items that share a bucket shorten its intervals, so the longest
    of an item's intervals is the best.

    Beyond the paper: rows are counted, not steps, so that a batch may hold an item more
    than once; the current, open interval counts as part of the mean. So shares of items
    that stop occurring fall, and with `memory` 0 and no collision the estimate is
    exactly the count divided by the rows so far.

    Args:
        n_buckets: of each hash function; several times the number of items keeps the
            chance low that all of an item's buckets are shared.
        n_hashes: number of hash functions.
        memory: the weight of a new interval in the mean, from 0 to 1. A bucket's first
            1 / memory intervals are averaged plainly, so with 0 all are. With
            m > 0 the estimate follows shares that change, and scatters around the true
            ones by about √(m / 2).
        seed: of the hash functions.

    References:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations, RecSys 2019, section 4, algorithms 2 and 3.
    """

    def __init__(
        self, n_buckets: int, n_hashes: int, memory: float, *, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        self._factors, self._terms = rng.integers(
            2**64, size=(2, n_hashes, 1), dtype=np.uint64
        )
        self._n_buckets = n_buckets
        self._memory = memory
        n_all = n_hashes * n_buckets
        self._n_rows = 0
        self._counts = np.zeros(n_all, np.int64)
        self._last_rows = np.zeros(n_all, np.int64)
        self._intervals = np.zeros(n_all)

    def observe(self, ids: IntArray) -> None:
        if not len(ids):
            return
        buckets = self._buckets(ids).ravel()
        rows = np.tile(self._n_rows + 1 + np.arange(len(ids)), len(self._factors))
        order = np.argsort(buckets, kind="stable")  # a bucket's rows, oldest first
        buckets, rows = buckets[order], rows[order]
        starts = np.flatnonzero(np.diff(buckets, prepend=-1))
        touched, n_new = buckets[starts], np.diff(starts, append=len(buckets))
        self._n_rows += len(ids)

        intervals = np.diff(rows, prepend=0)
        intervals[starts] = rows[starts] - self._last_rows[touched]
        before = self._counts[touched]
        after = before + n_new
        number = np.arange(1, len(rows) + 1) - np.repeat(starts - before, n_new)
        weights = self._rate(number) * self._kept(number, np.repeat(after, n_new))
        self._intervals[touched] = self._kept(before, after) * self._intervals[
            touched
        ] + np.add.reduceat(weights * intervals, starts)
        self._counts[touched] = after
        self._last_rows[touched] = rows[starts + n_new - 1]

    def log_share(self, ids: IntArray) -> FloatArray:
        buckets = self._buckets(ids.ravel())
        counts = self._counts[buckets]
        # The running interval has no end yet: it adds to the time, not to the number.
        running = self._n_rows - self._last_rows[buckets]
        intervals = self._intervals[buckets]
        intervals = intervals + self._rate(np.maximum(counts, 1)) * running
        intervals = np.where(counts > 0, intervals, np.inf).max(axis=0)
        shares = np.clip(1 / np.maximum(intervals, 1), SMALLEST_SHARE, 1.0)
        logs: FloatArray = np.log(shares).astype(np.float32)
        return logs.reshape(ids.shape)

    def state(self) -> State:
        return {
            "n_rows": np.array(self._n_rows),
            "counts": self._counts.copy(),
            "last_rows": self._last_rows.copy(),
            "intervals": self._intervals.copy(),
        }

    def restore(self, state: State) -> None:
        self._n_rows = int(state["n_rows"])
        self._counts = state["counts"].copy()
        self._last_rows = state["last_rows"].copy()
        self._intervals = state["intervals"].copy()

    def _buckets(self, ids: IntArray) -> npt.NDArray[np.int64]:
        """Return `[H, K]` int64, the bucket of each id by each hash function."""
        hashes = (self._factors * ids.astype(np.uint64) + self._terms) >> UPPER_HALF
        within = (hashes * np.uint64(self._n_buckets)) >> UPPER_HALF
        first = np.arange(len(self._factors))[:, None] * self._n_buckets
        buckets: npt.NDArray[np.int64] = within.astype(np.int64) + first
        return buckets

    def _rate(self, number: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the weight of a bucket's `number`th interval, from 1, as it comes."""
        return np.maximum(1 / number, self._memory)

    def _kept(
        self, before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the part of a mean of `before` intervals left after `after` of them.

        The product of 1 - rate: of 1 - 1 / n, which telescopes, while intervals are
        averaged plainly, and of 1 - memory from then on.
        """
        plain = np.int64(1 / self._memory) if self._memory else np.iinfo(np.int64).max
        averaged = np.minimum(before, plain) / np.minimum(after, plain)
        n_faded = np.maximum(after, plain) - np.maximum(before, plain)
        return averaged * (1 - self._memory) ** n_faded


class LogQParams(Params, ABC):
    """Options of an estimator of item frequencies, and how it is built."""

    @abstractmethod
    def build(self, counts: npt.NDArray[np.int64], *, seed: int) -> Frequencies | None:
        """Return the estimator, or None for no log q correction.

        Args:
            counts: `[n_items]`, training positives of each item.
            seed: of all randomness.
        """


class NoLogQ(LogQParams):
    """No correction."""

    def build(self, counts: npt.NDArray[np.int64], *, seed: int) -> None:
        del counts, seed


class ExactParams(LogQParams):
    """Frequencies counted before training."""

    def build(self, counts: npt.NDArray[np.int64], *, seed: int) -> Frequencies:
        del seed
        return ExactFrequencies(log_share_of_rows(counts))


class StreamingParams(LogQParams):
    """Frequencies estimated from the stream of batches (Yi et al. 2019)."""

    buckets: Count = Field(
        description="hash buckets, several times the number of items"
    )
    hashes: Size = Field(description="hash functions, against collisions")
    memory: float = Field(
        ge=0, le=1, description="weight of the newest interval; 0: plain mean"
    )

    def build(self, counts: npt.NDArray[np.int64], *, seed: int) -> Frequencies:
        del counts
        return StreamingFrequencies(self.buckets, self.hashes, self.memory, seed=seed)


class LogQ(OneOf[LogQParams]):
    """Correction of a softmax for how often its candidates are sampled."""

    none: NoLogQ = NoLogQ()
    exact: ExactParams = ExactParams()
    streaming: StreamingParams
