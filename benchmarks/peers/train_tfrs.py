"""Train TFRS' basic retrieval model on the benchmark's pairs; run by its own Python.

All of it is the tutorial's: embeddings of 32, Adagrad 0.1, batches of 8,192, in-batch
softmax summed over the batch, the shuffled batches cached. Where the tutorial is slower
than it needs to be, it is left: ids come as integers and skip its string lookups, its
top-k metrics, which it advises to switch off while training, are off, and steps are
compiled by XLA.
"""

import argparse
import os
import time
from importlib.metadata import version

import numpy as np

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TFRS is written for Keras 2
import tensorflow as tf
import tensorflow_recommenders as tfrs

DIMENSION = 32
BATCH = 8192
LEARNING_RATE = 0.1


class Retrieval(tfrs.Model):
    """Two tables of embeddings and the library's retrieval task."""

    def __init__(self, n_users: int, n_items: int) -> None:
        super().__init__()
        self.users = tf.keras.layers.Embedding(n_users, DIMENSION)
        self.items = tf.keras.layers.Embedding(n_items, DIMENSION)
        self.task = tfrs.tasks.Retrieval()

    def compute_loss(self, inputs, training=False):  # noqa: FBT002
        """Return the batch's loss."""
        return self.task(
            self.users(inputs["user"]),
            self.items(inputs["item"]),
            compute_metrics=not training,
        )


class EpochSeconds(tf.keras.callbacks.Callback):
    """How long each epoch took."""

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
    tf.keras.utils.set_random_seed(arguments.seed)

    with np.load(arguments.data) as data:
        users, items = data["users"], data["items"]
        n_users, n_items = len(data["user_features"]), len(data["genres"])
    pairs = tf.data.Dataset.from_tensor_slices({"user": users, "item": items})
    # The tutorial's buffer held its whole data set; pairs come sorted by user here.
    batches = pairs.shuffle(len(users), seed=arguments.seed).batch(BATCH).cache()

    model = Retrieval(n_users, n_items)
    optimizer = tf.keras.optimizers.Adagrad(learning_rate=LEARNING_RATE)
    model.compile(optimizer=optimizer, jit_compile=True)
    epochs = EpochSeconds()
    model.fit(batches, epochs=arguments.epochs, verbose=0, callbacks=[epochs])
    np.savez(
        arguments.out,
        users=model.users.embeddings.numpy(),
        items=model.items.embeddings.numpy(),
        epoch_seconds=epochs.seconds,
        versions=[f"{name} {version(name)}" for name in PACKAGES],
    )


PACKAGES = ("tensorflow-recommenders", "tensorflow-cpu", "tf-keras", "numpy")

if __name__ == "__main__":
    main()
