"""Batches in the form that `keras.Model.fit` takes on each back end."""

from typing import Any

import keras

from two_tower.fitting.batches import BATCH_LAYOUT, Batch, EpochFeed


class _IndexedFeed(keras.utils.PyDataset):
    """A feed by batch number; every epoch has the same number of batches."""

    def __init__(self, feed: EpochFeed) -> None:
        super().__init__()
        self.feed = feed
        self.n_batches = len(feed)
        self.plan = feed.plan()

    def __len__(self) -> int:
        return self.n_batches

    def __getitem__(self, index: int) -> tuple[Batch]:
        if index == 0:
            self.plan = self.feed.plan()
        return (self.feed.collate(*self.plan[index]),)


def as_keras_input(feed: EpochFeed) -> Any:
    """Return the feed for `fit`; each epoch reads `feed.epoch` when it begins.

    TensorFlow gets a `tf.data.Dataset` that says which dimensions vary between
    buckets: Keras would infer them from the first two batches, wrongly when both are of
    one bucket.
    """
    if keras.backend.backend() != "tensorflow":
        return _IndexedFeed(feed)
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec([None] * n_dimensions, dtype)
        for name, (dtype, n_dimensions) in BATCH_LAYOUT.items()
    }
    batches = tf.data.Dataset.from_generator(
        lambda: iter(feed), output_signature=signature
    )
    counted = batches.apply(tf.data.experimental.assert_cardinality(len(feed)))
    return counted.prefetch(tf.data.AUTOTUNE)
