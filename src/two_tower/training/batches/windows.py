"""Length-bucketed batches of windows, with static shapes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from two_tower.chunking import count_queries
from two_tower.towers.events import UNKNOWN_TIME, Events, Fields, span_ages
from two_tower.training.batches.base import Batch, padded
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.seeded import SeededBatches
from two_tower.training.sequences import Sequences


def plan_epoch(
    lengths: npt.NDArray[np.integer[Any]],
    boundaries: Sequence[int],
    sizes: Sequence[int],
    rng: np.random.Generator,
) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Group rows of similar length into batches, in random order.

    A bucket's remaining rows move up to the next bucket, so an epoch drops nothing and
    has at most one batch that is not full.

    Args:
        lengths: `[W]` lengths of the rows, none above the last boundary.
        boundaries: widths of the buckets, ascending; a row falls into the narrowest
            that holds it.
        sizes: rows of a batch of each width, descending.
        rng: source of all randomness.

    Returns:
        One (width, rows `[≤ size]`) per batch.
    """
    bucket_of_row = np.searchsorted(boundaries, lengths)
    batches: list[tuple[int, npt.NDArray[np.int64]]] = []
    left_over = np.empty(0, np.int64)
    for bucket, (width, size) in enumerate(zip(boundaries, sizes, strict=True)):
        own = np.flatnonzero(bucket_of_row == bucket)
        rows = rng.permutation(np.concatenate([own, left_over]))
        full, left_over = np.split(rows, [len(rows) // size * size])
        batches += [(width, part) for part in full.reshape(-1, size)]
    if len(left_over):
        batches.append((boundaries[-1], left_over))
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(
    sequences: Sequences,
    rows: npt.NDArray[np.int64],
    *,
    width: int,
    tokens_per_batch: int,
    chunk: int,
) -> Batch:
    """Return windows as arrays whose shapes depend on the width alone.

    Args:
        sequences: the windows of all users.
        rows: the windows of the batch.
        width: T of the batch.
        tokens_per_batch: items in a batch, padding included.
        chunk: the number of queries is padded to a multiple of it.

    Returns:
        `users`, `rows`, `labels`, `weights`, and `items` `[B, T]` int32, padded on both
        axes, B = tokens_per_batch // width; `positions` `[P]` int32, row · T + column
        of each query, or B · T for a query without a history.
    """
    n_rows = tokens_per_batch // width
    items, targets = sequences.items.take(rows), sequences.targets.take(rows)
    histories = np.zeros((n_rows, width), np.int32)
    histories[: len(rows)] = items.pad(width)

    column = np.arange(len(targets.values)) - targets.offsets[targets.rows]
    firsts = np.flatnonzero(sequences.is_first[rows])
    positions = [
        targets.rows * width + column,
        np.full(len(firsts), n_rows * width),
    ]
    labels = np.concatenate([targets.values, items.values[items.offsets[firsts]]])
    n_queries = count_queries(width, tokens_per_batch=tokens_per_batch, chunk=chunk)
    return {
        "users": padded(sequences.users[rows], n_rows),
        "rows": padded(
            np.concatenate([targets.rows, firsts]).astype(np.int32), n_queries
        ),
        "labels": padded(labels, n_queries),
        "weights": padded(np.ones(len(labels), np.float32), n_queries),
        "items": histories,
        "positions": padded(np.concatenate(positions).astype(np.int32), n_queries),
    }


def window_events(sequences: Sequences) -> Events:
    """Return the events of the windows; a window's request is its last target.

    Raises:
        ValueError: if the sequences hold no events.
    """
    events = sequences.events
    if events is None:
        raise ValueError(
            "ages of events need the times of the sequences; read them with "
            "Sequences.from_batches(batches, with_events=True)"
        )
    asked_at = np.full(len(sequences.users), UNKNOWN_TIME)
    has_target = sequences.targets.lengths > 0
    last = sequences.targets.offsets[1:][has_target] - 1
    asked_at[has_target] = events.target_timestamps[last]
    return Events(events.timestamps, events.ratings, asked_at)


class WindowBatches(SeededBatches):
    """Batches of windows; each position of a window is a query.

    Args:
        sequences: the windows of all users.
        boundaries: widths of the buckets, ascending.
        tokens_per_batch: items in a batch, padding included.
        chunk: the number of queries is padded to a multiple of it.
        with_ages: whether batches hold `ages` `[B, T]` int32, seconds from each event
            to its window's request and 1, 0 for padding and where unknown.
        request_time: whether a window's request is its last target; otherwise its
            newest event stands in for it.
        seed: of all randomness.
        sampler: adds negatives, masks and views to each batch.

    Raises:
        ValueError: if `with_ages` and the sequences hold no events.
    """

    def __init__(  # noqa: PLR0913 (data, sizes and options of batches)
        self,
        sequences: Sequences,
        boundaries: Sequence[int],
        *,
        tokens_per_batch: int,
        chunk: int,
        with_ages: bool,
        request_time: bool,
        seed: int,
        sampler: BatchSampler,
    ) -> None:
        super().__init__(seed, sampler)
        self._events = window_events(sequences) if with_ages else None
        self.request_time = request_time
        self.sequences = sequences
        self.boundaries = boundaries
        self.tokens_per_batch = tokens_per_batch
        self.chunk = chunk
        self.n_positives = sequences.n_positives
        self.max_queries = max(
            count_queries(width, tokens_per_batch=tokens_per_batch, chunk=chunk)
            for width in boundaries
        )
        self._n_batches = len(self.plan(np.random.default_rng(seed)))

    def plan(self, rng: np.random.Generator) -> list[tuple[int, npt.NDArray[np.int64]]]:
        """Return the (width, rows) of an epoch's batches, in random order."""
        sizes = [self.tokens_per_batch // width for width in self.boundaries]
        return plan_epoch(self.sequences.items.lengths, self.boundaries, sizes, rng)

    def positives(self, rng: np.random.Generator) -> Iterator[Batch]:
        for width, rows in self.plan(rng):
            batch = collate(
                self.sequences,
                rows,
                width=width,
                tokens_per_batch=self.tokens_per_batch,
                chunk=self.chunk,
            )
            yield batch | self._ages(rows, width)

    def _ages(self, rows: npt.NDArray[np.int64], width: int) -> Fields:
        if self._events is None:
            return {}
        n_rows = self.tokens_per_batch // width
        windows = self.sequences.items
        ages = span_ages(
            self._events._replace(asked_at=padded(self._events.asked_at[rows], n_rows)),
            padded(windows.offsets[1:][rows], n_rows),
            padded(windows.lengths[rows], n_rows),
            width,
            request_time=self.request_time,
        )
        return {"ages": ages}

    def __len__(self) -> int:
        return self._n_batches
