"""Batches in the form that `keras.Model.fit` takes on each back end."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import keras
import numpy as np
import numpy.typing as npt

from two_tower.training.batches.base import Batch, Batches

N_STEPS = "n_steps"
"""Key of a stack: how many of its batches are real, an int32 scalar."""

# One that is ready, and one in the making.
BATCHES_AHEAD = 2

T = TypeVar("T")


def made_ahead(source: Iterable[T], n: int = BATCHES_AHEAD) -> Iterator[T]:
    """Yield what `source` yields, made up to `n` ahead in a thread of its own.

    An error of the source is raised where its batch was due.
    """
    remaining = iter(source)
    with ThreadPoolExecutor(1, "batches") as thread:
        due = deque(thread.submit(list, islice(remaining, 1)) for _ in range(n))
        while made := due.popleft().result():
            due.append(thread.submit(list, islice(remaining, 1)))
            yield made[0]


class _IndexedBatches(keras.utils.PyDataset):
    """A feed by batch number, which Keras asks for in rising order.

    Keras' own threads would ask for several at a time, in any order.
    """

    def __init__(self, feed: Batches) -> None:
        super().__init__()
        self.feed = feed
        self.batches: Iterator[Batch] = iter(())  # begun by the first batch asked for

    def __len__(self) -> int:
        return len(self.feed)

    def __getitem__(self, index: int) -> tuple[Batch]:
        if index == 0:
            self.batches = made_ahead(self.feed)
        return (next(self.batches),)


def stacks(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Yield `size` successive batches as one, the last time what is left.

    Args:
        batches: as many rows and places in each; the number of candidates may vary.
        size: how many at a time.

    Returns:
        Each array `[size, …]`, zeros behind the real batches, and `n_steps`, their
        number.
    """
    remaining = iter(batches)
    while stack := list(islice(remaining, size)):
        yield _stack(stack, size)


def _stack(batches: list[Batch], size: int) -> Batch:
    stacked = {
        name: _side_by_side([b[name] for b in batches], size) for name in batches[0]
    }
    return stacked | {N_STEPS: np.array(len(batches), np.int32)}


def _side_by_side(arrays: list[npt.NDArray[Any]], size: int) -> npt.NDArray[Any]:
    shape = tuple(np.max([array.shape for array in arrays], axis=0))
    result = np.zeros((size, *shape), arrays[0].dtype)
    for place, array in zip(result, arrays, strict=False):
        place[tuple(slice(length) for length in array.shape)] = array
    return result


def as_keras_input(feed: Batches, *, stack: int) -> Any:
    """Return the feed for `fit`; each epoch reads the one that has begun.

    TensorFlow gets a `tf.data.Dataset` that says which dimensions vary between batches:
    Keras would infer them from the first two batches, wrongly when both are alike.

    Args:
        feed: the batches.
        stack: above 1, TensorFlow gets `stacks` of that size, for a `StackedTask`: it
            takes as long to be handed anything by Python as a small step takes.
    """
    if keras.backend.backend() != "tensorflow":
        return _IndexedBatches(feed)
    import tensorflow as tf

    def batches() -> Iterator[Batch]:
        return stacks(feed, stack) if stack > 1 else iter(feed)

    signature = {
        name: tf.TensorSpec([None] * array.ndim, array.dtype)
        for name, array in next(batches()).items()
    }
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    counted = tf.data.experimental.assert_cardinality(math.ceil(len(feed) / stack))
    # What tunes a pipeline by itself sleeps for up to a minute at a time, and the end
    # of an epoch waits for it to wake up.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.apply(counted).prefetch(BATCHES_AHEAD).with_options(options)
