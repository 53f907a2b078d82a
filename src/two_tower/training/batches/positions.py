"""Batches of single positions, for encoders with one query per history."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from two_tower.towers.events import Events, span_fields
from two_tower.training.batches.base import Batch, padded
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.seeded import SeededBatches
from two_tower.training.batches.windows import plan_epoch
from two_tower.training.sequences import Sequences
from two_tower.types import Int64Array


class PositionBatches(SeededBatches):
    """Batches of positions sampled over all users; each position is a row.

    The query of a position is the history before its item: the newest items, as many as
    the widest batch holds, across windows. The first item of a user has an empty
    history. The last batch may hold fewer queries.

    Args:
        sequences: the windows of all users, with events.
        boundaries: widths of the batches, ascending; the last is the longest history.
        size: queries of a batch.
        chunk: the number of queries is padded to a multiple of it.
        request_time: whether queries know their request time.
        epochs: of the training; batches carry its completed share.
        seed: of all randomness.
        sampler: adds negatives, masks and views to each batch.

    Raises:
        ValueError: if the sequences hold no events, or a user's windows are not
            consecutive.
    """

    def __init__(  # noqa: PLR0913 (data, sizes and options of batches)
        self,
        sequences: Sequences,
        boundaries: Sequence[int],
        *,
        size: int,
        chunk: int,
        request_time: bool,
        epochs: int,
        seed: int,
        sampler: BatchSampler,
    ) -> None:
        super().__init__(seed, sampler)
        if sequences.events is None:
            raise ValueError(
                "batches of positions need the times and ratings of the sequences; "
                "read them with Sequences.from_batches(batches, with_events=True)"
            )
        self.sequences = sequences
        self.boundaries = boundaries
        self.size = size
        self.request_time = request_time
        self.epochs = epochs
        self.n_positives = sequences.n_positives
        self.max_queries = -(-size // chunk) * chunk
        self._users, self._labels = sequences.pairs()
        self._ends, self._lengths = find_histories(sequences, boundaries[-1])
        events = sequences.events
        first_items = sequences.items.offsets[:-1][sequences.is_first]
        self._events = Events(
            events.timestamps,
            events.ratings,
            np.concatenate([events.target_timestamps, events.timestamps[first_items]]),
        )
        self._n_batches = len(self.plan(np.random.default_rng(seed)))

    def plan(self, rng: np.random.Generator) -> list[tuple[int, Int64Array]]:
        """Return the (width, queries) of an epoch's batches, in random order."""
        sizes = [self.size] * len(self.boundaries)
        return plan_epoch(self._lengths, self.boundaries, sizes, rng)

    def positives(self, rng: np.random.Generator) -> Iterator[Batch]:
        for step, (width, queries) in enumerate(self.plan(rng)):
            progress = (self.epoch + step / len(self)) / self.epochs
            yield {
                **self.collate(queries, width),
                "progress": np.array(min(progress, 1.0), np.float32),
            }

    def collate(self, queries: Int64Array, width: int) -> Batch:
        """Return queries as arrays whose shapes depend on the width alone.

        Args:
            queries: `[≤ size]`, indices of the sequences' pairs.
            width: T, at least the longest of their histories.

        Returns:
            `users`, `rows`, `labels`, `weights` and the fields of `span_fields`; row p
            is query p, and padding has an empty history.
        """
        n_rows = self.max_queries
        asked_at = padded(self._events.asked_at[queries], n_rows)
        return {
            "users": padded(self._users[queries], n_rows),
            "rows": np.arange(n_rows, dtype=np.int32),
            "labels": padded(self._labels[queries], n_rows),
            "weights": padded(np.ones(len(queries), np.float32), n_rows),
            **span_fields(
                self.sequences.items.values,
                self._events._replace(asked_at=asked_at),
                padded(self._ends[queries], n_rows),
                padded(self._lengths[queries], n_rows),
                width,
                request_time=self.request_time,
            ),
        }

    def __len__(self) -> int:
        return self._n_batches


def find_histories(
    sequences: Sequences, longest: int
) -> tuple[Int64Array, npt.NDArray[np.int32]]:
    """Return the slice of the items that is the history of each pair.

    Args:
        sequences: the windows of all users, consecutive for each user.
        longest: newest items of a history that count.

    Returns:
        ends: `[P]` int64, the index after the newest item of the history.
        lengths: `[P]` int32, its number of items, 0 for a user's first item.

    Raises:
        ValueError: if a user's windows are not consecutive, oldest first.
    """
    items, targets, is_first = sequences.items, sequences.targets, sequences.is_first
    same_user = np.diff(sequences.users, prepend=-1) == 0
    if not np.array_equal(same_user, ~is_first):
        raise ValueError(
            "the windows of train_sequences are not ordered by user and window; order "
            "them before reading"
        )
    starts = items.offsets[:-1]
    first_items = starts[is_first]
    began_at = first_items[np.cumsum(is_first) - 1]  # of each window's user
    position = np.arange(len(targets.values)) - targets.offsets[targets.rows]
    ends = starts[targets.rows] + position + 1
    lengths = np.minimum(ends - began_at[targets.rows], longest)
    empty = np.zeros(len(first_items), np.int64)
    return (
        np.concatenate([ends, empty]),
        np.concatenate([lengths, empty]).astype(np.int32),
    )
