"""Train TFRS' basic retrieval model on the benchmark's pairs, in its own environment.

Settings are those of the tutorial: embeddings of 32, Adagrad 0.1, batches of 8,192, an
in-batch softmax summed over the batch, shuffled batches cached. What only slows it down
is left out: ids are integers without string lookups, top-k metrics are off while
training, as the tutorial advises, and steps are compiled by XLA.
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
    """Two embedding tables and the library's retrieval task."""

    def __init__(self, n_users: int, n_items: int) -> None:
        super().__init__()
        self.users = tf.keras.layers.Embedding(n_users, DIMENSION)
        self.items = tf.keras.layers.Embedding(n_items, DIMENSION)
        self.task = tfrs.tasks.Retrieval()

    def compute_loss(self, inputs, training=False):  # noqa: FBT002
        """Return the loss of the batch."""
        return self.task(
            self.users(inputs["user"]),
            self.items(inputs["item"]),
            compute_metrics=not training,
        )


class EpochSeconds(tf.keras.callbacks.Callback):
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
    tf.keras.utils.set_random_seed(arguments.seed)

    with np.load(arguments.data) as data:
        users, items = data["users"], data["items"]
        n_users, n_items = len(data["user_features"]), len(data["genres"])
    pairs = tf.data.Dataset.from_tensor_slices({"user": users, "item": items})
    # The buffer holds all pairs, as in the tutorial; they are sorted by user here.
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
