"""One training: built from its parameters and inputs, then fitted."""

import logging
import random

from two_tower.params import SeenItems
from two_tower.towers.two_tower import TwoTower
from two_tower.training.batches.base import Batches
from two_tower.training.callbacks import EarlyStopping, TrainingState
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.devices import choose_device
from two_tower.training.fit import fit
from two_tower.training.inputs import ModelInputs
from two_tower.training.loader import bucket_boundaries, build_batches
from two_tower.training.model import build_towers
from two_tower.training.objectives.base import Objective, ObjectiveContext
from two_tower.training.objectives.self_supervision import SelfSupervised
from two_tower.training.optimizers import exclude_from_decay
from two_tower.training.params import Training
from two_tower.training.schedules import Horizon
from two_tower.training.task import RetrievalTask, StackedTask, Temperature
from two_tower.training.validation import Examples, Validation
from two_tower.training.warm_start import warm_towers
from two_tower.types import JsonObject

logger = logging.getLogger(__name__)


def prepare(parameters: Training) -> None:
    """Choose the device, and seed what has no seed of its own.

    Keras takes missing seeds from Python's generator. Its own `set_random_seed` would
    import TensorFlow, 450 MB, for a training on JAX.
    """
    choose_device(parameters.device)
    random.seed(parameters.seed)


def train(  # noqa: PLR0913 (data, options, and what it starts and ends with)
    parameters: Training,
    inputs: ModelInputs,
    fingerprint: str,
    store: CheckpointStore,
    *,
    seen: SeenItems = "left_out",
    deployed: TwoTower | None = None,
    epochs: int | None = None,
) -> tuple[TwoTower, list[JsonObject]]:
    """Return trained towers and a record of each epoch.

    Args:
        parameters: of training.
        inputs: training data.
        fingerprint: of parameters and data.
        store: of the checkpoint.
        seen: whether validation ranks items of the history or leaves them out.
        deployed: towers to resume from; None starts with random weights.
        epochs: epochs to train, of a schedule for those of the parameters; None: all.
    """
    towers = build_towers(parameters, inputs)
    if deployed is not None:
        towers = warm_towers(towers, inputs, deployed)
    logger.info("the towers have %d weights", towers.count_params())
    batches = build_batches(parameters, inputs, towers)
    history = fit(
        build_state(parameters, inputs, towers, batches, fingerprint),
        build_validation(parameters, inputs.examples, towers, seen),
        epochs=epochs or parameters.epochs,
        validate_every=parameters.validation.every,
        store=store,
    )
    return towers, history


def build_validation(
    parameters: Training,
    examples: Examples,
    towers: TwoTower,
    seen: SeenItems = "left_out",
) -> Validation | None:
    """Return the ranking of held-out positives, or None if nothing is held out."""
    if not len(examples):
        return None
    validation = parameters.validation
    return Validation(
        examples.sample(validation.sample_users, parameters.seed),
        seen=seen,
        cutoffs=validation.cutoffs,
        boundaries=bucket_boundaries(parameters, towers.max_length or 1),
        tokens_per_batch=validation.tokens_per_batch,
        item_block=validation.item_block,
    )


def build_state(
    parameters: Training,
    inputs: ModelInputs,
    towers: TwoTower,
    batches: Batches,
    fingerprint: str,
) -> TrainingState:
    """Return the towers with objective and optimiser, ready for the first epoch."""
    temperature = parameters.scoring.temperature
    stack = _steps_per_stack(parameters)
    task = (StackedTask if stack > 1 else RetrievalTask)(
        towers,
        build_objective(parameters, inputs),
        Temperature(temperature.start, learned=temperature.learned),
    )
    task.build()
    horizon = Horizon(len(batches), parameters.epochs)
    optimizer = parameters.optimizer
    rate = parameters.schedule.chosen.build(optimizer.learning_rate, horizon)
    task.compile(
        optimizer=optimizer.build(rate),
        # Keras runs an uncompiled JAX step one operation at a time.
        jit_compile=parameters.jit_compile or parameters.backend == "jax",
        steps_per_execution=parameters.steps_per_execution // stack,
    )
    exclude_from_decay(task.optimizer, task.trainable_variables)
    task.optimizer.build(task.trainable_variables)
    stopping = EarlyStopping(
        f"val_{parameters.validation.monitor}", parameters.validation.patience
    )
    return TrainingState(task, batches, stopping, fingerprint, stack)


def build_objective(parameters: Training, inputs: ModelInputs) -> Objective:
    """Return the objective, with self-supervision if the parameters ask for it."""
    objective = parameters.objective.chosen.build(
        ObjectiveContext(
            parameters.negatives.chosen,
            inputs.is_candidate,
            parameters.masks.hits,
            parameters.logits_chunk,
        )
    )
    if parameters.self_supervision.kind == "none":
        return objective
    return SelfSupervised(objective, parameters.self_supervision.alpha)


def _steps_per_stack(parameters: Training) -> int:
    """Return the steps of one call of the graph; histories' steps run one by one.

    Histories come in several shapes, and their steps are long.
    """
    is_stacked = (
        parameters.backend == "tensorflow" and parameters.history.kind == "none"
    )
    return parameters.steps_per_execution if is_stacked else 1
