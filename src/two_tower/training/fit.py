"""Train towers, from the first epoch or from a checkpoint."""

import logging
from contextlib import closing
from typing import Any

from two_tower.training.callbacks import EpochEnd, TrainingState
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.keras_input import as_keras_input
from two_tower.training.progress import ProgressBar
from two_tower.training.validation import Validation

logger = logging.getLogger(__name__)


def fit(
    state: TrainingState,
    validation: Validation | None,
    *,
    epochs: int,
    validate_every: int,
    store: CheckpointStore,
) -> list[dict[str, Any]]:
    """Train the state's towers and leave the best epoch's weights in them.

    A checkpoint of the same data and parameters is gone on from, to the result that an
    unbroken run would have had. The last one stays: what follows may fail.

    Args:
        state: a compiled task, its feed and early stopping, and an empty history.
        validation: ranked while training; None keeps the last epoch's weights.
        epochs: the most epochs.
        validate_every: epochs between validations.
        store: of the checkpoint.

    Returns:
        One record per epoch: `epoch` from 1, `loss`, `learning_rate`,
        `temperature`, `seconds`, `examples_per_second`, `request_time` (whether
        queries know when they are asked), what the objective measures,
        and the validation's figures where there was one.

    Raises:
        TrainingError: if loss or weights are no numbers, or the item vectors or the
            heads of interests collapse.
    """
    state.restore(store)
    feed = state.feed
    done = len(state.history)
    if done:
        logger.info("going on after epoch %d of %d", done, epochs)
    if done < epochs and not state.stopping.should_stop:
        around = EpochEnd(
            state,
            validation,
            every=validate_every,
            epochs=epochs,
            store=store,
        )
        progress = ProgressBar(
            steps=len(feed), examples=feed.n_positives, epochs=epochs
        )
        with closing(progress):
            state.task.fit(
                as_keras_input(feed, stack=state.stack),
                epochs=epochs,
                initial_epoch=done,
                shuffle=False,  # the feed's own
                verbose=0,
                callbacks=[progress, around],
            )
    if state.stopping.weights:
        state.task.towers.set_weights(state.stopping.weights)
        logger.info(
            "kept the weights of epoch %d: %s %.4f%s",
            state.stopping.best_epoch + 1,
            state.stopping.monitor,
            state.stopping.best,
            " (request's time known)" if state.task.towers.request_time else "",
        )
    return state.history
