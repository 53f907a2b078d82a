"""One training: assembled from its parameters and inputs, then fitted."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from two_tower.fitting.checkpoints import CheckpointStore
from two_tower.fitting.devices import choose_device
from two_tower.fitting.fit import fit
from two_tower.pipelines.training.assembly import (
    assemble_feed,
    assemble_state,
    assemble_towers,
    assemble_validation,
)
from two_tower.pipelines.training.inputs import ModelInputs
from two_tower.pipelines.training.warm_start import warm_towers
from two_tower.towers.two_tower import TwoTower
from two_tower.types import JsonObject

if TYPE_CHECKING:  # a GPU machine may have no Pydantic
    from two_tower.pipelines.training.params.training import Training

logger = logging.getLogger(__name__)


def prepare(parameters: Training) -> None:
    """Choose the device and seed all that draws without a seed of its own.

    Keras takes the seeds that nobody gave from Python's generator. Its own
    `set_random_seed` would import TensorFlow, 450 MB, for a training on JAX.
    """
    choose_device(parameters.device)
    random.seed(parameters.seed)


def train(
    parameters: Training,
    inputs: ModelInputs,
    fingerprint: str,
    store: CheckpointStore,
    *,
    deployed: TwoTower | None = None,
) -> tuple[TwoTower, list[JsonObject]]:
    """Return trained towers and a record of each epoch.

    Args:
        parameters: of training.
        inputs: what is trained on.
        fingerprint: of both.
        store: of the checkpoint.
        deployed: towers to go on from; None begins with random weights.
    """
    towers = assemble_towers(parameters, inputs)
    if deployed is not None:
        towers = warm_towers(towers, inputs, deployed)
    logger.info("the towers have %d weights", towers.count_params())
    feed = assemble_feed(parameters, inputs, towers)
    history = fit(
        assemble_state(parameters, inputs, towers, feed, fingerprint),
        assemble_validation(parameters, inputs.examples, towers),
        epochs=parameters.epochs,
        validate_every=parameters.validation.every,
        store=store,
    )
    return towers, history
