"""From typed parameters to towers, feed, optimiser: the place of choices.

What a batch is told apart from, and by which loss, is chosen in `contrasts`.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

import keras

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.mean import MeanUserTower
from two_tower.towers.multi_interest.tower import MultiInterestUserTower
from two_tower.towers.transformer.tower import TransformerUserTower
from two_tower.towers.two_tower import TwoTower
from two_tower.training.averages import Averages, exponential_average, mean_from
from two_tower.training.batches.base import Batches
from two_tower.training.batches.pairs import PairBatches
from two_tower.training.batches.positions import PositionBatches
from two_tower.training.batches.windows import WindowBatches
from two_tower.training.callbacks import EarlyStopping, TrainingState
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.contrasts import (
    assemble_additions,
    assemble_objective,
    places_at_a_time,
)
from two_tower.training.devices import choose_device
from two_tower.training.fit import fit
from two_tower.training.inputs import Entities, ModelInputs
from two_tower.training.optimizers import (
    OptimizerOptions,
    cosine_with_warmup,
    exclude_from_decay,
    exponential,
    make_optimizer,
)
from two_tower.training.task import RetrievalTask, StackedTask, Temperature
from two_tower.training.validation import Examples, Validation
from two_tower.training.warm_start import warm_towers
from two_tower.types import JsonObject

if TYPE_CHECKING:  # a GPU machine may have no Pydantic
    from two_tower.training.params.towers import Entity, Mlp
    from two_tower.training.params.training import Training

if TYPE_CHECKING:  # a GPU machine may have no Pydantic
    from two_tower.training.params.training import Training

# Each part of the model draws with seeds of its own, from its first one on; an entity
# tower, of items (0) or users, has layers with seeds from 500 further on.
HISTORY_SEED, PROFILE_SEED, FUSION_SEED, HISTORY_ITEMS_SEED = 1, 1001, 2001, 3001

logger = logging.getLogger(__name__)


def assemble_towers(parameters: Training, inputs: ModelInputs) -> TwoTower:
    """Return the built, untrained model that the parameters describe.

    Raises:
        ValueError: if a category is to be of a feature that items don't have.
    """
    if parameters.history == "multi_interest":
        _check_category(parameters.histories.multi_interest.category, inputs.items)
    seed, dtype = parameters.seed, parameters.precision
    of_histories = inputs.history_items
    has_both = parameters.history != "none" and parameters.profile.use
    towers = TwoTower(
        _entity_tower(parameters, parameters.item_tower, inputs.items, seed=seed),
        history_encoder=_history_encoder(parameters, inputs.longest_window),
        profile=_entity_tower(
            parameters, parameters.profile, inputs.users, seed=seed + PROFILE_SEED
        )
        if inputs.users is not None
        else None,
        fusion={**_layers(parameters.fusion), "seed": seed + FUSION_SEED}
        if has_both
        else None,
        normalise=parameters.scoring.normalise,
        history_item_tower=_entity_tower(
            parameters,
            parameters.history_item_tower,
            of_histories,
            seed=seed + HISTORY_ITEMS_SEED,
        )
        if of_histories is not None
        else None,
        dtype=dtype,
    )
    towers.build()
    tell(towers.item_tower, inputs.items)
    if of_histories is not None:
        tell(towers.embeds_histories, of_histories)
    if towers.profile is not None and inputs.users is not None:
        tell(towers.profile, inputs.users)
    return towers


def _check_category(names: list[str], items: Entities) -> None:
    """Raise `ValueError` if the item tower lacks a feature of that name."""
    if missing := [name for name in names if name not in items.features]:
        switches = ", ".join(f"training.item_tower.features.{n}=true" for n in missing)
        raise ValueError(
            f"training.histories.multi_interest.category names {missing}, but the item "
            f"tower has the features {list(items.features)}: set {switches} (and "
            "use_features) if they are declared, perhaps as opt_in, or declare them in "
            "sequencing.features.item"
        )


def tell(tower: EntityTower, entities: Entities) -> None:
    """Store in a built tower what its entities are like, and which are known."""
    tower.set_features(entities.values)
    tower.set_known(entities.known)


def _entity_tower(
    parameters: Training, asked: Entity, entities: Entities, *, seed: int
) -> EntityTower:
    return EntityTower(
        entities.n_entities,
        parameters.dimension,
        features=entities.features,
        use_id=asked.use_id,
        id_dropout=asked.id_dropout,
        embedding=asked.embedding or parameters.dimension,
        hashes={
            name: [table.model_dump() for table in tables]
            for name, tables in asked.hashes.items()
        },
        combine=asked.combine,
        mlp=_layers(asked.mlp) if asked.mlp else None,
        l2=asked.l2,
        n_rows=entities.n_entities,
        scale=asked.scale,
        seed=seed,
        dtype=parameters.precision,
    )


def _layers(mlp: Mlp) -> dict[str, Any]:
    return {
        "hidden_units": mlp.widths,
        "batch_norm": mlp.batch_norm,
        "dropout": mlp.dropout,
    }


def _history_encoder(parameters: Training, max_length: int) -> Any:
    shared: dict[str, Any] = {
        "max_length": max_length,
        "seed": parameters.seed + HISTORY_SEED,
        "dtype": parameters.precision,
    }
    match parameters.history:
        case "none":
            return None
        case "mean":
            mean = parameters.histories.mean
            return MeanUserTower(
                parameters.dimension,
                hidden_units=mean.hidden_units,
                dropout=mean.dropout,
                **shared,
            )
        case "transformer":
            transformer = parameters.histories.transformer
            return TransformerUserTower(
                parameters.dimension,
                options=transformer.model_dump(),
                **shared,
            )
        case "multi_interest":
            return _multi_interest(parameters)


def _multi_interest(parameters: Training) -> MultiInterestUserTower:
    asked = parameters.histories.multi_interest
    return MultiInterestUserTower(
        parameters.dimension,
        n_heads=asked.n_heads,
        n_vectors=asked.n_vectors,
        max_length=asked.max_items,
        category=asked.category,
        events=asked.events.model_dump(),
        attention=asked.attention.model_dump(),
        heads=asked.heads.model_dump(),
        aggregation=asked.aggregation.model_dump(),
        seed=parameters.seed + HISTORY_SEED,
        dtype=parameters.precision,
    )


def assemble_edges(parameters: Training, longest: int) -> list[int]:
    """Return the widths of batches, the last as wide as the longest history.

    So no position is served that training has not seen.

    Raises:
        ValueError: if a history is longer than the widest bucket.
    """
    buckets = parameters.batches.buckets
    if longest > buckets[-1] and parameters.history == "multi_interest":
        raise ValueError(
            f"training.histories.multi_interest.max_items is {longest}, more than the "
            f"widest of training.batches.buckets {buckets}; add a bucket, or lower "
            "max_items"
        )
    if longest > buckets[-1]:
        raise ValueError(
            f"the longest window of train_sequences has {longest} items, more than the "
            f"widest of training.batches.buckets {buckets}; add a bucket, or "
            "lower sequencing.window"
        )
    return [*(width for width in buckets if width < longest), longest]


def assemble_feed(
    parameters: Training, inputs: ModelInputs, towers: TwoTower
) -> PairBatches | PositionBatches | WindowBatches:
    """Return the batches of each epoch: windows, places of them, or mere pairs.

    Raises:
        ValueError: if a window is longer than the widest bucket, a batch larger than
            the queue, or there is nothing for self-supervision to leave out.
    """
    feed = _feed(parameters, inputs, towers)
    queue = parameters.sources.queue
    if parameters.negatives == "queue" and queue.size - queue.hard < feed.max_queries:
        raise ValueError(
            f"training.sources.queue.size is {queue.size}, of them {queue.hard} hard, "
            f"but a batch may have {feed.max_queries} places, which the others must "
            "hold; raise the size, or lower training.batches"
        )
    return feed


def _feed(
    parameters: Training, inputs: ModelInputs, towers: TwoTower
) -> PairBatches | PositionBatches | WindowBatches:
    batches = parameters.batches
    shared: dict[str, Any] = {
        "chunk": places_at_a_time(parameters),
        "seed": parameters.seed,
        "additions": assemble_additions(parameters, inputs, towers.item_tower),
    }
    if not towers.max_length:
        users, labels = inputs.sequences.pairs()
        return PairBatches(users, labels, size=batches.pairs, **shared)
    edges = assemble_edges(parameters, towers.max_length)
    if not towers.query_per_position:
        # One width: batches of similar histories would fill the queue with their kind.
        return PositionBatches(
            inputs.sequences,
            edges[-1:],
            size=batches.pairs,
            request_time=towers.request_time,
            epochs=parameters.epochs,
            **shared,
        )
    return WindowBatches(
        inputs.sequences,
        edges,
        slots=batches.slots,
        with_ages=towers.reads_events,
        request_time=towers.request_time,
        **shared,
    )


def assemble_validation(
    parameters: Training, examples: Examples, towers: TwoTower
) -> Validation | None:
    """Return what is ranked while training, or None where nothing is held out."""
    if not len(examples):
        return None
    asked = parameters.validation
    return Validation(
        examples.sample(asked.sample_users, parameters.seed),
        cutoffs=asked.cutoffs,
        edges=assemble_edges(parameters, towers.max_length or 1),
        slots=asked.slots,
        item_block=asked.item_block,
    )


def assemble_state(
    parameters: Training,
    inputs: ModelInputs,
    towers: TwoTower,
    feed: Batches,
    fingerprint: str,
) -> TrainingState:
    """Return the towers with objective and optimiser, ready for the first epoch."""
    start, steps = parameters.scoring.temperature, parameters.steps_per_execution
    # Histories come in several shapes, and their steps are long.
    is_stacked = parameters.backend == "tensorflow" and parameters.history == "none"
    stack = steps if is_stacked else 1
    task = (StackedTask if stack > 1 else RetrievalTask)(
        towers,
        assemble_objective(parameters, inputs.is_candidate),
        Temperature(start.start, learned=start.learned),
        _averages(parameters, towers, total_steps=len(feed) * parameters.epochs),
    )
    task.build()
    task.compile(
        optimizer=assemble_optimizer(parameters, steps_per_epoch=len(feed)),
        # Keras runs a step of JAX that isn't compiled one operation at a time.
        jit_compile=parameters.jit_compile or parameters.backend == "jax",
        steps_per_execution=steps // stack,
    )
    exclude_from_decay(task.optimizer, task.trainable_variables)
    task.optimizer.build(task.trainable_variables)
    stopping = EarlyStopping(
        f"val_{parameters.validation.monitor}", parameters.validation.patience
    )
    return TrainingState(task, feed, stopping, fingerprint, stack)


def _averages(
    parameters: Training, towers: TwoTower, *, total_steps: int
) -> Averages | None:
    asked = parameters.averages
    match parameters.averaging:
        case "none":
            return None
        case "ema":
            return Averages(towers, exponential_average(asked.ema.momentum))
        case "swa":
            return Averages(towers, mean_from(int(asked.swa.from_share * total_steps)))


def assemble_optimizer(
    parameters: Training, *, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Return the optimiser, with its schedule over all epochs."""
    optimizer = parameters.optimizer
    return make_optimizer(
        optimizer.kind,
        learning_rate=_schedule(parameters, steps_per_epoch),
        options=OptimizerOptions(
            **optimizer.model_dump(exclude={"kind", "learning_rate"})
        ),
    )


def _schedule(parameters: Training, steps_per_epoch: int) -> Any:
    rate = parameters.optimizer.learning_rate
    total_steps = steps_per_epoch * parameters.epochs
    match parameters.schedule:
        case "constant":
            return rate
        case "cosine":
            cosine = parameters.schedules.cosine
            return cosine_with_warmup(
                peak=rate,
                final_share=cosine.final_share,
                # However short the training, it gets to the rate that was asked for.
                warmup_steps=min(cosine.warmup_steps, total_steps // 3),
                total_steps=total_steps,
            )
        case "exponential":
            falling = parameters.schedules.exponential
            return exponential(
                first=rate,
                per_epoch=falling.per_epoch,
                steps_per_epoch=steps_per_epoch,
                staircase=falling.staircase,
            )


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
