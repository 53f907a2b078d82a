"""Progress of a training: a bar in a terminal, and a log line per epoch."""

import logging
import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

logger = logging.getLogger(__name__)


class ProgressBar(keras.callbacks.Callback):
    """A bar with the loss, positives per second and the remaining time of all training.

    Without a terminal there is no bar; each epoch still logs a line.

    Args:
        steps: batches in an epoch.
        examples: positives in an epoch.
        epochs: of all training.
    """

    def __init__(self, *, steps: int, examples: int, epochs: int) -> None:
        super().__init__()
        self.steps = steps
        self.examples = examples
        self.epochs = epochs

        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TextColumn("{task.fields[rate]:,.0f} positives/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task(
            "train", total=steps * epochs, epoch=1, loss=0.0, rate=0.0
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.bar.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch
        self.began = time.perf_counter()
        self.bar.update(self.task, epoch=epoch + 1, completed=epoch * self.steps)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = logs or {}
        steps, seconds = int(logs["steps"]), time.perf_counter() - self.began
        self.bar.update(
            self.task,
            completed=self.epoch * self.steps + steps,
            rate=self.examples * steps / self.steps / seconds,
            loss=float(logs["loss"]),
        )

    def close(self) -> None:
        """Remove the bar; Keras calls no callback when training fails."""
        self.bar.stop()


def log_epoch(record: dict[str, Any], *, epochs: int, monitor: str) -> None:
    """Log one line about a finished epoch."""
    known = " (request time known)" if record["request_time"] else ""
    metric = f", {monitor} {record[monitor]:.4f}{known}" if monitor in record else ""
    logger.info(
        "epoch %d of %d: loss %.4f%s, %.0f positives/s, %.1f s",
        record["epoch"],
        epochs,
        record["loss"],
        metric,
        record["examples_per_second"],
        record["seconds"],
    )
