"""What happens around each epoch: record, alarms, validation, best weights, checkpoint.

The callbacks share a `TrainingState` and run in this order; `build_callbacks` makes the
list.
"""

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
    HEAD_POSTERIOR_MAX,
    HEAD_POSTERIOR_MIN,
    ITEM_HEAD_MAX,
    VECTOR_LIKENESS,
    VECTOR_SHARE_MIN,
)
from two_tower.training.progress import log_epoch
from two_tower.training.task import RetrievalTask
from two_tower.training.validation import Validation
from two_tower.types import FIRST_ID, FloatArray, JsonObject


@dataclass
class EarlyStopping:
    """The best epoch so far by one metric, more being better.

    Attributes:
        monitor: name of the metric.
        patience: validations without improvement after which training stops.
        best: the best value so far.
        best_epoch: its epoch, from 0; -1 before the first.
        waited: validations since.
        weights: the towers' weights after that epoch.
    """

    monitor: str
    patience: int
    best: float = -np.inf
    best_epoch: int = -1
    waited: int = 0
    weights: list[np.ndarray] = field(default_factory=list)

    def update(
        self, epoch: int, metrics: dict[str, float], weights: list[np.ndarray]
    ) -> None:
        """Compare an epoch's metrics, and keep its weights if it is the best."""
        if metrics[self.monitor] > self.best:
            self.best, self.best_epoch = metrics[self.monitor], epoch
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
        """Resume from an earlier `state` and its weights."""
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
    """What training changes, and a checkpoint keeps.

    Attributes:
        task: the model under training, compiled.
        batches: of each epoch.
        stopping: the best epoch so far.
        fingerprint: of the data and parameters.
        stack: batches of one call of the task, as `as_keras_input` takes it.
        history: one record per finished epoch.
        record: of the epoch that is ending; no part of a checkpoint.
        item_vectors: `[N, D]` float32, of all real items after that epoch.
    """

    task: RetrievalTask
    batches: Batches
    stopping: EarlyStopping
    fingerprint: str
    stack: int = 1
    history: list[JsonObject] = field(default_factory=list)
    record: JsonObject = field(default_factory=dict)
    item_vectors: FloatArray = field(
        default_factory=lambda: np.empty((0, 0), np.float32)
    )

    def save(self, store: CheckpointStore) -> None:
        """Write everything that another process needs to resume."""
        of_batches = self.batches.state()
        about = {
            "history": self.history,
            "stopping": self.stopping.state(),
            "batches": list(of_batches),
        }
        arrays = {
            "variables": [np.asarray(v) for v in self.task.variables],
            "optimizer": [np.asarray(v) for v in self.task.optimizer.variables],
            "best": self.stopping.weights,
            "batches": list(of_batches.values()),
        }
        store.save(Checkpoint(self.fingerprint, about, arrays))

    def restore(self, store: CheckpointStore) -> None:
        """Resume from the store's checkpoint, if the fingerprint is equal."""
        checkpoint = store.load(self.fingerprint)
        if checkpoint is None:
            return
        about, arrays = checkpoint.about, checkpoint.arrays
        assign_all(self.task.variables, arrays["variables"])
        assign_all(self.task.optimizer.variables, arrays["optimizer"])
        self.history[:] = about["history"]
        of_batches = arrays.get("batches", [])
        self.batches.restore(dict(zip(about["batches"], of_batches, strict=True)))
        self.stopping.restore(about["stopping"], arrays.get("best", []))


def build_callbacks(
    state: TrainingState,
    validation: Validation | None,
    *,
    validate_every: int,
    epochs: int,
    store: CheckpointStore,
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a training, in the order that they must run in.

    Args:
        state: of the training, shared by all of them.
        validation: examples to rank; None trains all epochs and keeps the last weights.
        validate_every: epochs between validations.
        epochs: of all training.
        store: where checkpoints are saved.
    """
    callbacks: list[keras.callbacks.Callback] = [EpochRecord(state), Alarms(state)]
    if validation is not None:
        callbacks += [
            RankingValidation(state, validation, every=validate_every, epochs=epochs),
            BestWeights(state),
        ]
    return [*callbacks, ResumableCheckpoint(state, store, epochs=epochs)]


class _TrainingCallback(keras.callbacks.Callback):
    """A callback that reads and changes the state of the training."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state


class EpochRecord(_TrainingCallback):
    """Begins the batches of each epoch, and its record.

    All samples of an epoch's batches derive from its number.
    """

    def on_epoch_begin(self, epoch: int, logs: JsonObject | None = None) -> None:
        self.state.batches.begin(epoch)
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: JsonObject | None = None) -> None:
        seconds, logs = time.perf_counter() - self.began, logs or {}
        task = self.state.task
        self.state.record = {
            "epoch": epoch + 1,
            "loss": float(logs["loss"]),
            "learning_rate": float(task.optimizer.learning_rate),
            "temperature": task.temperature.current,
            "seconds": seconds,
            "examples_per_second": self.state.batches.n_positives / seconds,
            "request_time": task.towers.request_time,
            **{one.name: float(logs[one.name]) for one in task.objective_metrics},
        }


class Alarms(_TrainingCallback):
    """Stops a training that has gone wrong, with a `TrainingError`.

    It encodes the item vectors that `RankingValidation` ranks.
    """

    def on_epoch_begin(self, epoch: int, logs: JsonObject | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: JsonObject | None = None) -> None:
        logs = logs or {}
        step = int(logs["steps"]) - 1
        check_finite(float(logs["loss"]), epoch=self.epoch, step=step)

    def on_epoch_end(self, epoch: int, logs: JsonObject | None = None) -> None:
        self._check_interests()
        towers = self.state.task.towers
        check_weights(towers.get_weights(), epoch=epoch)
        ids = np.arange(FIRST_ID, towers.item_tower.n_entities, dtype=np.int32)
        self.state.item_vectors = encode_items(towers, ids)
        check_spread(self.state.item_vectors, normalised=towers.normalise)

    def _check_interests(self) -> None:
        """Check the heads and vectors of a multi-interest tower, by their metrics."""
        record = self.state.record
        sizes = {one.name: one.size for one in self.state.task.objective_metrics}
        if HEAD_POSTERIOR_MIN in sizes:
            check_heads(
                record[HEAD_POSTERIOR_MIN],
                record[HEAD_POSTERIOR_MAX],
                n_heads=sizes[HEAD_POSTERIOR_MIN],
            )
        if ITEM_HEAD_MAX in sizes:
            check_item_heads(record[ITEM_HEAD_MAX], n_heads=sizes[ITEM_HEAD_MAX])
        if VECTOR_LIKENESS in sizes:
            check_vectors(
                record[VECTOR_LIKENESS],
                record[VECTOR_SHARE_MIN],
                n_vectors=sizes[VECTOR_SHARE_MIN],
            )


class RankingValidation(_TrainingCallback):
    """Ranks the validation positives, and adds the metrics to the epoch's record.

    Args:
        state: of the training.
        validation: examples to rank.
        every: epochs between validations; the last epoch is always validated.
        epochs: of all training.
    """

    def __init__(
        self, state: TrainingState, validation: Validation, *, every: int, epochs: int
    ) -> None:
        super().__init__(state)
        self.validation = validation
        self.every = every
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: JsonObject | None = None) -> None:
        number = epoch + 1
        if number != self.epochs and number % self.every:
            return
        began, state = time.perf_counter(), self.state
        metrics = self.validation.evaluate(state.task.towers, state.item_vectors)
        seconds = time.perf_counter() - began
        state.record |= {**metrics, "validation_seconds": seconds}


class BestWeights(_TrainingCallback):
    """Keeps the weights of the best epoch, and stops training after `patience`."""

    def on_epoch_end(self, epoch: int, logs: JsonObject | None = None) -> None:
        stopping, record = self.state.stopping, self.state.record
        if stopping.monitor not in record:
            return
        stopping.update(epoch, record, self.state.task.towers.get_weights())
        if stopping.should_stop:
            self.model.stop_training = True


class ResumableCheckpoint(_TrainingCallback):
    """Finishes an epoch: adds its record to the history, logs it, saves a checkpoint.

    Args:
        state: of the training.
        store: where checkpoints are saved.
        epochs: of all training.
    """

    def __init__(
        self, state: TrainingState, store: CheckpointStore, *, epochs: int
    ) -> None:
        super().__init__(state)
        self.store = store
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: JsonObject | None = None) -> None:
        state = self.state
        state.history.append(state.record)
        log_epoch(state.record, epochs=self.epochs, monitor=state.stopping.monitor)
        state.save(self.store)
        state.item_vectors = np.empty((0, 0), np.float32)  # free until the next epoch
