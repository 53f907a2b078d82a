"""Train towers, from the first epoch or from a checkpoint."""

import logging
from contextlib import closing

from two_tower.training.callbacks import TrainingState, build_callbacks
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.kept_epoch import describe_kept_epoch, mark_kept
from two_tower.training.keras_input import as_keras_input
from two_tower.training.progress import ProgressBar
from two_tower.training.validation import Validation
from two_tower.types import JsonObject

logger = logging.getLogger(__name__)


def fit(
    state: TrainingState,
    validation: Validation | None,
    *,
    epochs: int,
    validate_every: int,
    store: CheckpointStore,
) -> list[JsonObject]:
    """Train the state's towers and leave the best epoch's weights in them.

    Resumes from a checkpoint with the same fingerprint; the result equals an
    uninterrupted run. The last checkpoint stays: later pipeline steps may fail.

    Args:
        state: a compiled task, its batches and early stopping, and an empty history.
        validation: ranked while training; None keeps the last epoch's weights.
        epochs: maximum number of epochs.
        validate_every: epochs between validations.
        store: where checkpoints are saved.

    Returns:
        One record per epoch: `epoch` from 1, `loss`, `learning_rate`, `temperature`,
        `seconds`, `examples_per_second`, `request_time` (whether queries read the time
        of the request), `kept` (whether its weights stay), the objective's metrics, and
        those of the validation in epochs that had one.

    Raises:
        TrainingError: if the loss or weights are NaN or infinite, or the item vectors
            or interest heads collapse.
    """
    state.restore(store)
    done = len(state.history)
    if done:
        logger.info("resuming after epoch %d of %d", done, epochs)
    if done < epochs and not state.stopping.should_stop:
        _train(state, validation, epochs, validate_every, store)
    if state.stopping.weights:
        state.task.towers.set_weights(state.stopping.weights)
        logger.info(
            "kept the weights of epoch %d: %s %.4f%s",
            state.stopping.best_epoch + 1,
            state.stopping.monitor,
            state.stopping.best,
            " (request time known)" if state.task.towers.request_time else "",
        )
    mark_kept(state.history, state.stopping.best_epoch + 1 or len(state.history))
    logger.info(describe_kept_epoch(state.history))
    return state.history


def _train(
    state: TrainingState,
    validation: Validation | None,
    epochs: int,
    validate_every: int,
    store: CheckpointStore,
) -> None:
    """Train the epochs that the history lacks."""
    batches = state.batches
    progress = ProgressBar(
        steps=len(batches), examples=batches.n_positives, epochs=epochs
    )
    callbacks = build_callbacks(
        state, validation, validate_every=validate_every, epochs=epochs, store=store
    )
    with closing(progress):
        state.task.fit(
            as_keras_input(batches, stack=state.stack),
            epochs=epochs,
            initial_epoch=len(state.history),
            shuffle=False,  # the batches have their own order
            verbose=0,
            callbacks=[progress, *callbacks],
        )
