"""Train keras-rs' retrieval examples on the benchmark's pairs, in its own environment.

Its basic example has two embedding tables of 32, but learns ratings by mean squared
error; its sequential example has an in-batch softmax, with AdamW 0.05 and batches of
4,096. This script has the towers of the first, and loss, optimiser and batches of the
second. Neither uses the library's layer for accidental hits, which has no effect in
0.4.0: it adds 1e-40 to a logit. Steps are compiled by XLA, which is faster here than
the default of Keras.
"""

import argparse
import time
from importlib.metadata import version

import keras
import keras_rs
import numpy as np
import tensorflow as tf

DIMENSION = 32
BATCH = 4096
LEARNING_RATE = 0.05


class Retrieval(keras.Model):
    """Two embedding tables, an in-batch softmax and the library's retrieval."""

    def __init__(self, n_users: int, n_items: int) -> None:
        super().__init__()
        self.users = keras.layers.Embedding(n_users, DIMENSION)
        self.items = keras.layers.Embedding(n_items, DIMENSION)
        self.retrieval = keras_rs.layers.BruteForceRetrieval(k=10, return_scores=False)
        self.loss_fn = keras.losses.CategoricalCrossentropy(from_logits=True)

    def build(self, input_shape):
        self.users.build(input_shape)
        self.items.build(input_shape)
        self.retrieval.candidate_embeddings = self.items.embeddings
        self.retrieval.build(input_shape)
        super().build(input_shape)

    def call(self, inputs, training=False):  # noqa: FBT002
        users = self.users(inputs)
        return users if training else self.retrieval(users)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **_):
        """Return the loss of the batch."""
        scores = keras.ops.matmul(y_pred, keras.ops.transpose(self.items(y)))
        labels = keras.ops.eye(keras.ops.shape(scores)[0])
        return self.loss_fn(labels, scores, sample_weight)


class EpochSeconds(keras.callbacks.Callback):
    """Records the seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.began)


def main() -> None:
    """Read pairs, train, and write vectors and seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)

    with np.load(arguments.data) as data:
        users, items = data["users"], data["items"]
        n_users, n_items = len(data["user_features"]), len(data["genres"])
    pairs = tf.data.Dataset.from_tensor_slices((users, items))
    shuffled = pairs.shuffle(len(users), seed=arguments.seed)
    batches = shuffled.batch(BATCH).cache().prefetch(tf.data.AUTOTUNE)

    model = Retrieval(n_users, n_items)
    optimizer = keras.optimizers.AdamW(learning_rate=LEARNING_RATE)
    model.compile(optimizer=optimizer, jit_compile=True)
    epochs = EpochSeconds()
    model.fit(batches, epochs=arguments.epochs, verbose=0, callbacks=[epochs])
    np.savez(
        arguments.out,
        users=np.asarray(model.users.embeddings),
        items=np.asarray(model.items.embeddings),
        epoch_seconds=epochs.seconds,
        versions=[f"{name} {version(name)}" for name in PACKAGES],
    )


PACKAGES = ("keras-rs", "keras", "tensorflow-cpu", "numpy")

if __name__ == "__main__":
    main()
