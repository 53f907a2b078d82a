"""Batches of single places of all histories, for towers that read events."""

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
    """Batches of places, drawn over all users; each place is a row of its own.

    A place is an item of a training history, asked for by the items before it: as many
    of the newest as the widest batch holds, whichever windows they stand in. What a
    user began with is asked for by nothing. Histories of similar length share a batch,
    and the last batch may hold less.

    Args:
        sequences: what is trained on, with events.
        edges: rising widths of the batches; the last is the longest history.
        size: places of a batch.
        chunk: the number of places is a multiple of it; padding stands behind.
        request_time: whether towers know when a place is asked for.
        epochs: of the training, which batches are told how much of it is done.
        seed: of all draws.
        sampler: what each batch gets beside its positives.

    Raises:
        ValueError: if the sequences hold no events, or a user's windows are not one
            behind the other.
    """

    def __init__(  # noqa: PLR0913 (what is trained on, and sizes of batches)
        self,
        sequences: Sequences,
        edges: Sequence[int],
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
                "a feed of places needs the times and ratings of the sequences; read "
                "them with Sequences.from_batches(batches, with_events=True)"
            )
        self.sequences = sequences
        self.edges = edges
        self.size = size
        self.request_time = request_time
        self.epochs = epochs
        self.n_positives = sequences.n_positives
        self.max_queries = -(-size // chunk) * chunk
        self._users, self._labels = sequences.pairs()
        self._ends, self._lengths = find_histories(sequences, edges[-1])
        events = sequences.events
        begun = sequences.items.offsets[:-1][sequences.is_first]
        self._events = Events(
            events.timestamps,
            events.ratings,
            np.concatenate([events.target_timestamps, events.timestamps[begun]]),
        )
        self._n_batches = len(self.plan(np.random.default_rng(seed)))

    def plan(self, rng: np.random.Generator) -> list[tuple[int, Int64Array]]:
        """Return an epoch's (width, places), in an order that rng decides."""
        sizes = [self.size] * len(self.edges)
        return plan_epoch(self._lengths, self.edges, sizes, rng)

    def positives(self, rng: np.random.Generator) -> Iterator[Batch]:
        for step, (width, places) in enumerate(self.plan(rng)):
            progress = (self.epoch + step / len(self)) / self.epochs
            yield {
                **self.collate(places, width),
                "progress": np.array(min(progress, 1.0), np.float32),
            }

    def collate(self, places: Int64Array, width: int) -> Batch:
        """Return places as arrays whose shapes depend on the width alone.

        Args:
            places: `[≤ size]`, of the sequences' pairs.
            width: T, no history of theirs is longer.

        Returns:
            `users`, `rows`, `labels`, `weights` and the fields of `span_fields`; a
            place is the row of the same number, and padding has no history.
        """
        n_rows = self.max_queries
        asked_at = padded(self._events.asked_at[places], n_rows)
        return {
            "users": padded(self._users[places], n_rows),
            "rows": np.arange(n_rows, dtype=np.int32),
            "labels": padded(self._labels[places], n_rows),
            "weights": padded(np.ones(len(places), np.float32), n_rows),
            **span_fields(
                self.sequences.items.values,
                self._events._replace(asked_at=asked_at),
                padded(self._ends[places], n_rows),
                padded(self._lengths[places], n_rows),
                width,
                request_time=self.request_time,
            ),
        }

    def __len__(self) -> int:
        return self._n_batches


def find_histories(
    sequences: Sequences, longest: int
) -> tuple[Int64Array, npt.NDArray[np.int32]]:
    """Return where in the items the history of each of the sequences' pairs lies.

    Args:
        sequences: with each user's windows one behind the other.
        longest: how many items of a history count, the newest.

    Returns:
        ends: `[P]` int64, the place behind the newest item of the history.
        lengths: `[P]` int32, its number of items, 0 for those that users began with.

    Raises:
        ValueError: if a window does not stand behind an older one of its user.
    """
    items, targets, is_first = sequences.items, sequences.targets, sequences.is_first
    same_user = np.diff(sequences.users, prepend=-1) == 0
    if not np.array_equal(same_user, ~is_first):
        raise ValueError(
            "the windows of train_sequences are not ordered by user and window; order "
            "them before they are read"
        )
    starts = items.offsets[:-1]
    begun = starts[is_first]
    began_at = begun[np.cumsum(is_first) - 1]  # of each window's user
    position = np.arange(len(targets.values)) - targets.offsets[targets.rows]
    ends = starts[targets.rows] + position + 1
    lengths = np.minimum(ends - began_at[targets.rows], longest)
    nothing = np.zeros(len(begun), np.int64)
    return (
        np.concatenate([ends, nothing]),
        np.concatenate([lengths, nothing]).astype(np.int32),
    )
