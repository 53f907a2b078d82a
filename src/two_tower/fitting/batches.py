"""Length-bucketed batches of static shape, from sequences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from two_tower.fitting.sequences import Sequences

Batch = dict[str, npt.NDArray[Any]]

# dtype and number of dimensions of each array of a batch
BATCH_LAYOUT = {
    "items": ("int32", 2),
    "labels": ("int32", 1),
    "places": ("int32", 1),
    "weights": ("float32", 1),
}


def plan_epoch(
    lengths: npt.NDArray[np.int64],
    edges: Sequence[int],
    slots: int,
    rng: np.random.Generator,
) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Deal rows into batches of similar length, in random order.

    A bucket's rows that fill no batch move up to the next bucket, so an epoch has at
    most one batch that isn't full, and drops nothing.

    Args:
        lengths: `[W]`, the rows' lengths, none above the last edge.
        edges: rising widths; a row falls into the narrowest that holds it.
        slots: items in a batch, padding included; a batch has slots // width rows.
        rng: decides the order.

    Returns:
        One (width, rows `[≤ slots // width]`) per batch.
    """
    bucket_of_row = np.searchsorted(edges, lengths)
    batches: list[tuple[int, npt.NDArray[np.int64]]] = []
    left_over = np.empty(0, np.int64)
    for bucket, width in enumerate(edges):
        own = np.flatnonzero(bucket_of_row == bucket)
        rows = rng.permutation(np.concatenate([own, left_over]))
        size = slots // width
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
    slots: int,
    chunk: int,
) -> Batch:
    """Return the rows as arrays whose shapes depend on the width alone.

    Returns:
        `items` `[B, T]` int32, B = slots // width, padded behind and below;
        `places` `[P]` int32, row · T + position of each query, or B · T for a query
        that has no history yet; `labels` `[P]` int32, the item that came next;
        `weights` `[P]` float32, 1, or 0 for padding, which stands last. P is the
        multiple of `chunk` that holds every place.
    """
    n_rows = slots // width
    items, targets = sequences.items.take(rows), sequences.targets.take(rows)
    padded = np.zeros((n_rows, width), np.int32)
    padded[: len(rows)] = items.pad(width)

    position = np.arange(len(targets.values)) - targets.offsets[targets.rows]
    first_items = items.values[items.offsets[:-1][sequences.is_first[rows]]]
    places = [
        targets.rows * width + position,
        np.full(len(first_items), n_rows * width),
    ]
    labels = [targets.values, first_items]

    n_places = -(-n_rows * (width + 1) // chunk) * chunk
    n_real = len(targets.values) + len(first_items)
    fill = np.zeros(n_places - n_real, np.int32)
    return {
        "items": padded,
        "places": np.concatenate([*places, fill]).astype(np.int32),
        "labels": np.concatenate([*labels, fill]).astype(np.int32),
        "weights": (np.arange(n_places) < n_real).astype(np.float32),
    }


@dataclass
class EpochFeed:
    """The batches of whichever epoch is set; its order comes from (seed, epoch).

    Attributes:
        sequences: what is trained on.
        edges: the buckets' widths.
        slots: items in a batch, padding included.
        chunk: the number of places is a multiple of it.
        seed: of the shuffles.
        epoch: from 0; set before an epoch begins.
    """

    sequences: Sequences
    edges: Sequence[int]
    slots: int
    chunk: int
    seed: int
    epoch: int = 0

    def plan(self) -> list[tuple[int, npt.NDArray[np.int64]]]:
        """Return the epoch's (width, rows), in order."""
        rng = np.random.default_rng([self.seed, self.epoch])
        return plan_epoch(self.sequences.items.lengths, self.edges, self.slots, rng)

    def collate(self, width: int, rows: npt.NDArray[np.int64]) -> Batch:
        """Return one batch of the plan."""
        return collate(
            self.sequences, rows, width=width, slots=self.slots, chunk=self.chunk
        )

    def __iter__(self) -> Iterator[Batch]:
        for width, rows in self.plan():
            yield self.collate(width, rows)

    def __len__(self) -> int:
        return len(self.plan())
