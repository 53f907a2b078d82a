"""Length-bucketed batches of static shape, from sequences."""

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
    edges: Sequence[int],
    sizes: Sequence[int],
    rng: np.random.Generator,
) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Deal rows into batches of similar length, in random order.

    A bucket's rows that fill no batch move up to the next bucket, so an epoch has at
    most one batch that isn't full, and drops nothing.

    Args:
        lengths: `[W]`, the rows' lengths, none above the last edge.
        edges: rising widths; a row falls into the narrowest that holds it.
        sizes: rows of a batch of each width, never rising.
        rng: decides the order.

    Returns:
        One (width, rows `[≤ size]`) per batch.
    """
    bucket_of_row = np.searchsorted(edges, lengths)
    batches: list[tuple[int, npt.NDArray[np.int64]]] = []
    left_over = np.empty(0, np.int64)
    for bucket, (width, size) in enumerate(zip(edges, sizes, strict=True)):
        own = np.flatnonzero(bucket_of_row == bucket)
        rows = rng.permutation(np.concatenate([own, left_over]))
        full, left_over = np.split(rows, [len(rows) // size * size])
        batches += [(width, part) for part in full.reshape(-1, size)]
    if len(left_over):
        batches.append((edges[-1], left_over))
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(
    sequences: Sequences,
    rows: npt.NDArray[np.int64],
    *,
    width: int,
    tokens_per_batch: int,
    chunk: int,
) -> Batch:
    """Return the rows as arrays whose shapes depend on the width alone.

    Returns:
        `users`, `rows`, `labels`, `weights`, and `items` `[B, T]` int32, B =
        tokens_per_batch //
        width, padded behind and below; `positions` `[P]` int32, row · T + position of
        each query, or B · T for a query that has no history yet. P is the multiple of
        `chunk` that holds every place.
    """
    n_rows = tokens_per_batch // width
    items, targets = sequences.items.take(rows), sequences.targets.take(rows)
    histories = np.zeros((n_rows, width), np.int32)
    histories[: len(rows)] = items.pad(width)

    position = np.arange(len(targets.values)) - targets.offsets[targets.rows]
    firsts = np.flatnonzero(sequences.is_first[rows])
    places = [
        targets.rows * width + position,
        np.full(len(firsts), n_rows * width),
    ]
    labels = np.concatenate([targets.values, items.values[items.offsets[firsts]]])
    n_places = count_queries(width, tokens_per_batch=tokens_per_batch, chunk=chunk)
    return {
        "users": padded(sequences.users[rows], n_rows),
        "rows": padded(
            np.concatenate([targets.rows, firsts]).astype(np.int32), n_places
        ),
        "labels": padded(labels, n_places),
        "weights": padded(np.ones(len(labels), np.float32), n_places),
        "items": histories,
        "positions": padded(np.concatenate(places).astype(np.int32), n_places),
    }


def window_events(sequences: Sequences) -> Events:
    """Return the events of the windows' items; a window asks for its last target.

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
        sequences: what is trained on.
        edges: the buckets' widths.
        tokens_per_batch: items in a batch, padding included.
        chunk: the number of places is a multiple of it.
        with_ages: whether batches hold `ages` `[B, T]` int32, seconds from each event
            to its window's request and 1, 0 for padding and where unknown.
        request_time: whether a window's request is its last target; otherwise its
            newest event stands in for it.
        seed: of all draws.
        sampler: what each batch gets beside its positives.

    Raises:
        ValueError: if the sequences hold no events, and ages are asked for.
    """

    def __init__(  # noqa: PLR0913 (what is trained on, and sizes of batches)
        self,
        sequences: Sequences,
        edges: Sequence[int],
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
        self.edges = edges
        self.tokens_per_batch = tokens_per_batch
        self.chunk = chunk
        self.n_positives = sequences.n_positives
        self.max_queries = max(
            count_queries(width, tokens_per_batch=tokens_per_batch, chunk=chunk)
            for width in edges
        )
        self._n_batches = len(self.plan(np.random.default_rng(seed)))

    def plan(self, rng: np.random.Generator) -> list[tuple[int, npt.NDArray[np.int64]]]:
        """Return an epoch's (width, rows), in an order that rng decides."""
        sizes = [self.tokens_per_batch // width for width in self.edges]
        return plan_epoch(self.sequences.items.lengths, self.edges, sizes, rng)

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
