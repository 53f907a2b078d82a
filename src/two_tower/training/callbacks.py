"""What happens around each epoch: validation, early stopping, checkpoints, alarms."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from two_tower.towers.encode import encode_items
from two_tower.training.alarms import (
    check_finite,
    check_heads,
    check_item_heads,
    check_spread,
    check_vectors,
    check_weights,
)
from two_tower.training.batches.base import Batches
from two_tower.training.checkpoints import Checkpoint, CheckpointStore
from two_tower.training.metrics import (
    GREATEST_HEAD,
    GREATEST_ITEM_HEAD,
    LEAST_HEAD,
    LEAST_VECTOR,
    VECTOR_LIKENESS,
)
from two_tower.training.progress import log_epoch
from two_tower.training.task import RetrievalTask
from two_tower.training.validation import Validation
from two_tower.types import FIRST_ID

logger = logging.getLogger(__name__)


@dataclass
class EarlyStopping:
    """The best epoch so far by one figure, more being better.

    Attributes:
        monitor: the figure's name.
        patience: validations without a better one after which training stops.
        best: the best figure so far.
        best_epoch: the epoch that had it, from 0; -1 before the first.
        waited: validations since.
        weights: the towers' weights then.
    """

    monitor: str
    patience: int
    best: float = -np.inf
    best_epoch: int = -1
    waited: int = 0
    weights: list[np.ndarray] = field(default_factory=list)

    def update(
        self, epoch: int, figures: dict[str, float], weights: list[np.ndarray]
    ) -> None:
        """Take note of an epoch's figures, and of its weights if it is the best."""
        if figures[self.monitor] > self.best:
            self.best, self.best_epoch = figures[self.monitor], epoch
            self.weights, self.waited = weights, 0
        else:
            self.waited += 1

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs beside the weights."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
        }

    def restore(self, state: dict[str, Any], weights: list[np.ndarray]) -> None:
        """Go on from an earlier `state` and its weights."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.waited, self.weights = state["waited"], weights


def assign_all(
    variables: Sequence[keras.Variable], values: Sequence[np.ndarray]
) -> None:
    """Assign each variable its value, in order.

    Raises:
        ValueError: if their numbers differ.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@dataclass
class TrainingState:
    """What a checkpoint holds, and a resumed run starts from.

    Attributes:
        task: the model under training, compiled.
        feed: its batches.
        stopping: the best epoch so far.
        history: one record per epoch that has ended.
        fingerprint: of the data and parameters.
        stack: batches that the task takes at a time, as `as_keras_input` has it.
    """

    task: RetrievalTask
    feed: Batches
    stopping: EarlyStopping
    fingerprint: str
    stack: int = 1
    history: list[dict[str, Any]] = field(default_factory=list)

    def save(self, store: CheckpointStore) -> None:
        """Write all state that another process needs to go on."""
        remembered = self.feed.state()
        about = {
            "history": self.history,
            "stopping": self.stopping.state(),
            "feed": list(remembered),
        }
        arrays = {
            "variables": [np.asarray(v) for v in self.task.variables],
            "optimizer": [np.asarray(v) for v in self.task.optimizer.variables],
            "best": self.stopping.weights,
            "feed": list(remembered.values()),
        }
        store.save(Checkpoint(self.fingerprint, about, arrays))

    def restore(self, store: CheckpointStore) -> None:
        """Go on from the store's checkpoint, if it has one of this training."""
        checkpoint = store.load(self.fingerprint)
        if checkpoint is None:
            return
        assign_all(self.task.variables, checkpoint.arrays["variables"])
        assign_all(self.task.optimizer.variables, checkpoint.arrays["optimizer"])
        self.history[:] = checkpoint.about["history"]
        remembered = checkpoint.arrays.get("feed", [])
        self.feed.restore(dict(zip(checkpoint.about["feed"], remembered, strict=True)))
        self.stopping.restore(
            checkpoint.about["stopping"], checkpoint.arrays.get("best", [])
        )


class EpochEnd(keras.callbacks.Callback):
    """Check, validate, keep the best weights, record, save, and stop in time.

    Args:
        state: of the training; every epoch adds to it. Its feed is told which epoch
            begins, since all its draws derive from that.
        validation: what is ranked; None trains all epochs and keeps the last weights.
        every: epochs between validations; the last epoch is always validated.
        epochs: of all training.
        store: where checkpoints go.
    """

    def __init__(
        self,
        state: TrainingState,
        validation: Validation | None,
        *,
        every: int,
        epochs: int,
        store: CheckpointStore,
    ) -> None:
        super().__init__()
        self.state = state
        self.validation = validation
        self.every = every
        self.epochs = epochs
        self.store = store

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch
        self.state.feed.begin(epoch)
        self.began = time.perf_counter()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = logs or {}
        step = int(logs["steps"]) - 1
        check_finite(float(logs["loss"]), epoch=self.epoch, step=step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds, logs = time.perf_counter() - self.began, logs or {}
        record: dict[str, Any] = {
            "epoch": epoch + 1,
            "loss": float(logs["loss"]),
            "learning_rate": float(self.state.task.optimizer.learning_rate),
            "temperature": self.state.task.temperature.current,
            "seconds": seconds,
            "examples_per_second": self.state.feed.n_positives / seconds,
            "request_time": self.state.task.towers.request_time,
        }
        measures = {measure.name: measure for measure in self.state.task.measures}
        record |= {name: float(logs[name]) for name in measures}
        if LEAST_HEAD in measures:
            n_heads = measures[LEAST_HEAD].size
            check_heads(record[LEAST_HEAD], record[GREATEST_HEAD], n_heads=n_heads)
        if GREATEST_ITEM_HEAD in measures:
            n_heads = measures[GREATEST_ITEM_HEAD].size
            check_item_heads(record[GREATEST_ITEM_HEAD], n_heads=n_heads)
        if VECTOR_LIKENESS in measures:
            n_vectors = measures[LEAST_VECTOR].size
            likeness, least = record[VECTOR_LIKENESS], record[LEAST_VECTOR]
            check_vectors(likeness, least, n_vectors=n_vectors)
        record |= self._examine(epoch)
        self.state.history.append(record)
        log_epoch(record, epochs=self.epochs, monitor=self.state.stopping.monitor)
        self.state.save(self.store)

    def _examine(self, epoch: int) -> dict[str, Any]:
        """Raise the alarms, and return the validation's figures where it is due."""
        check_weights(self.state.task.towers.get_weights(), epoch=epoch)
        return self._validate(epoch)

    def _validate(self, epoch: int) -> dict[str, float]:
        """Examine the towers as they would be kept."""
        began = time.perf_counter()
        towers, stopping = self.state.task.towers, self.state.stopping
        ids = np.arange(FIRST_ID, towers.item_tower.n_entities, dtype=np.int32)
        items = encode_items(towers, ids)
        check_spread(items, normalised=towers.normalise)

        is_last = epoch + 1 == self.epochs
        if not self.validation or not (is_last or (epoch + 1) % self.every == 0):
            return {}
        figures = self.validation.evaluate(towers, items)
        stopping.update(epoch, figures, towers.get_weights())
        if stopping.should_stop:
            self.model.stop_training = True
        return {**figures, "validation_seconds": time.perf_counter() - began}
