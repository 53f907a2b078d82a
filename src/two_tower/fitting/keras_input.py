"""Batches in the form that `keras.Model.fit` takes on each back end."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from two_tower.fitting.batches import Batch, Feed, shapes_of

# TensorFlow takes some 0.2 ms to be handed anything by Python: as long as a small step.
BATCHES_AT_A_TIME = 32
# Larger batches gain nothing from that, and copies of them cost memory.
LARGEST_STACK = 1 << 20


class _IndexedFeed(keras.utils.PyDataset):
    """A feed by batch number, which Keras asks for in rising order."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self.feed = feed
        self.batches = iter(feed)

    def __len__(self) -> int:
        return len(self.feed)

    def __getitem__(self, index: int) -> tuple[Batch]:
        if index == 0:
            self.batches = iter(self.feed)
        return (next(self.batches),)


def stacks(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield successive batches of equal shapes stacked: each array `[K, …]`, K ≥ 1."""
    waiting: list[Batch] = []
    for batch in batches:
        if waiting and not _fits(waiting, batch):
            yield _stack(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield _stack(waiting)


def _fits(waiting: list[Batch], batch: Batch) -> bool:
    size = sum(array.nbytes for array in batch.values())
    return (
        len(waiting) < BATCHES_AT_A_TIME
        and (len(waiting) + 1) * size <= LARGEST_STACK
        and shapes_of(waiting[0]) == shapes_of(batch)
    )


def _stack(batches: list[Batch]) -> Batch:
    return {name: np.stack([b[name] for b in batches]) for name in batches[0]}


def as_keras_input(feed: Feed) -> Any:
    """Return the feed for `fit`; each epoch reads the one that has begun.

    TensorFlow gets a `tf.data.Dataset` that says which dimensions vary between batches:
    Keras would infer them from the first two batches, wrongly when both are alike.
    """
    if keras.backend.backend() != "tensorflow":
        return _IndexedFeed(feed)
    import tensorflow as tf

    first = next(iter(feed))
    signature = {
        name: tf.TensorSpec([None] * (1 + array.ndim), array.dtype)
        for name, array in first.items()
    }
    stacked = tf.data.Dataset.from_generator(
        lambda: stacks(feed), output_signature=signature
    )
    batches = stacked.unbatch()
    counted = batches.apply(tf.data.experimental.assert_cardinality(len(feed)))
    return counted.prefetch(tf.data.AUTOTUNE)
