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
"""Key of a stack: its number of real batches, an int32 scalar."""

# One that is ready, and one in the making.
BATCHES_AHEAD = 2

T = TypeVar("T")


def prefetch(source: Iterable[T], n: int = BATCHES_AHEAD) -> Iterator[T]:
    """Yield what `source` yields, up to `n` of it prepared ahead in another thread.

    An error of the source is raised in place of the batch that it was preparing.
    """
    remaining = iter(source)
    with ThreadPoolExecutor(1, "batches") as thread:
        due = deque(thread.submit(list, islice(remaining, 1)) for _ in range(n))
        while made := due.popleft().result():
            due.append(thread.submit(list, islice(remaining, 1)))
            yield made[0]


class _IndexedBatches(keras.utils.PyDataset):
    """Batches by number, which Keras asks for in rising order.

    Keras' own threads would ask for several at a time, in any order.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches
        self.remaining: Iterator[Batch] = iter(())  # begins at the first batch

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Batch]:
        if index == 0:
            self.remaining = prefetch(self.batches)
        return (next(self.remaining),)


def stack_batches(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Yield `size` successive batches as one; the last stack may hold fewer.

    Args:
        batches: of equal numbers of rows and queries; the number of candidates may
            vary.
        size: batches of a stack.

    Returns:
        Each array as `[size, …]`, zeros after the real batches, and `n_steps`, the
        number of real batches.
    """
    remaining = iter(batches)
    while stack := list(islice(remaining, size)):
        arrays = {
            name: _stack_arrays([batch[name] for batch in stack], size)
            for name in stack[0]
        }
        yield arrays | {N_STEPS: np.array(len(stack), np.int32)}


def _stack_arrays(arrays: list[npt.NDArray[Any]], size: int) -> npt.NDArray[Any]:
    """Return arrays padded with zeros to the largest shape, as `[size, …]`."""
    shape = tuple(np.max([array.shape for array in arrays], axis=0))
    result = np.zeros((size, *shape), arrays[0].dtype)
    for target, array in zip(result, arrays, strict=False):
        target[tuple(slice(length) for length in array.shape)] = array
    return result


def as_keras_input(batches: Batches, *, stack: int) -> Any:
    """Return batches for `fit`, which reads the epoch that has begun.

    TensorFlow gets a `tf.data.Dataset` that declares which dimensions vary: Keras would
    infer them from the first two batches, wrongly if both have one shape.

    Args:
        batches: of each epoch.
        stack: above 1, TensorFlow gets `stack_batches` of that size for a
            `StackedTask`: a call from Python takes as long as a small step.
    """
    if keras.backend.backend() != "tensorflow":
        return _IndexedBatches(batches)
    import tensorflow as tf

    def generate() -> Iterator[Batch]:
        return stack_batches(batches, stack) if stack > 1 else iter(batches)

    signature = {
        name: tf.TensorSpec([None] * array.ndim, array.dtype)
        for name, array in next(generate()).items()
    }
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    counted = tf.data.experimental.assert_cardinality(math.ceil(len(batches) / stack))
    # Autotuning sleeps for up to a minute at a time, and the end of an epoch waits for
    # it to wake up.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.apply(counted).prefetch(BATCHES_AHEAD).with_options(options)
