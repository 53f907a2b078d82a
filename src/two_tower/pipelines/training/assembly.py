"""From typed parameters to towers, objective, optimiser: the one place of choices."""

from collections.abc import Mapping, Sequence
from functools import partial

import keras
import numpy as np

from two_tower.fitting.batches import EpochFeed
from two_tower.fitting.early_stopping import EarlyStopping
from two_tower.fitting.epochs import TrainingState
from two_tower.fitting.objectives import Objective, full_softmax, in_batch_softmax
from two_tower.fitting.optimizers import cosine_with_warmup, make_optimizer
from two_tower.fitting.sequences import Sequences
from two_tower.fitting.task import RetrievalTask
from two_tower.fitting.validation import Validation
from two_tower.negatives.candidates import log_share_of_rows
from two_tower.pipelines.training.params import Training
from two_tower.ragged import Ragged
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.features import Feature
from two_tower.towers.mean import MeanUserTower
from two_tower.towers.transformer import TransformerUserTower
from two_tower.towers.two_tower import TwoTower


def assemble_feed(parameters: Training, sequences: Sequences) -> EpochFeed:
    """Return the batches of each epoch.

    The last bucket is as wide as the longest window, so that no position is served
    that training has not seen.

    Raises:
        ValueError: if a window is longer than the widest bucket.
    """
    batches = parameters.batches
    longest = int(sequences.items.lengths.max())
    if longest > batches.buckets[-1]:
        raise ValueError(
            f"the longest window of train_sequences has {longest} items, more than the "
            f"widest of training.batches.buckets {batches.buckets}; add a bucket, or "
            "lower sequencing.window"
        )
    edges = [*(width for width in batches.buckets if width < longest), longest]
    return EpochFeed(sequences, edges, batches.slots, batches.chunk, parameters.seed)


def assemble_validation(
    parameters: Training, histories: Ragged, targets: Ragged, *, edges: Sequence[int]
) -> Validation | None:
    """Return what is ranked while training, or None where nothing is held out.

    Args:
        parameters: of training.
        histories: dense item ids, oldest first.
        targets: dense ids of the positives.
        edges: widths that histories are padded to, as in training.
    """
    if not len(histories):
        return None
    return Validation(
        histories,
        targets,
        cutoffs=parameters.validation.cutoffs,
        edges=edges,
        slots=parameters.batches.slots,
        item_block=parameters.validation.item_block,
    )


def assemble_state(
    parameters: Training,
    towers: TwoTower,
    feed: EpochFeed,
    fingerprint: str,
) -> TrainingState:
    """Return the towers with objective and optimiser, ready for the first epoch."""
    counts = feed.sequences.count_positives(towers.item_tower.n_entities)
    task = RetrievalTask(towers, assemble_objective(parameters, counts))
    task.build()
    total_steps = len(feed) * parameters.epochs
    task.compile(
        optimizer=assemble_optimizer(parameters, total_steps=total_steps),
        # Keras runs a step of JAX that isn't compiled one operation at a time.
        jit_compile=parameters.jit_compile or parameters.backend == "jax",
    )
    task.optimizer.build(task.trainable_variables)
    stopping = EarlyStopping(
        f"val_{parameters.validation.monitor}", parameters.validation.patience
    )
    return TrainingState(task, stopping, fingerprint)


def assemble_towers(
    parameters: Training,
    *,
    n_items: int,
    features: Mapping[str, Feature],
    values: Mapping[str, np.ndarray],
    max_length: int,
) -> TwoTower:
    """Return the built, untrained model that the parameters describe.

    Args:
        parameters: of training.
        n_items: rows of the item table, reserved ids included.
        features: name → what an item's feature is.
        values: name → `[n_items, width]`, each item's values.
        max_length: the longest history that training sees.
    """
    item_tower = EntityTower(
        n_items,
        parameters.dimension,
        features=features,
        use_id=parameters.item_tower.use_id,
        id_dropout=parameters.item_tower.id_dropout,
        embedding=parameters.dimension,
        combine="sum",
        mlp=None,
        l2=0.0,
        n_rows=n_items,
        scale=parameters.item_tower.scale,
        seed=parameters.seed,
        dtype=parameters.precision,
    )
    towers = TwoTower(
        item_tower,
        history_encoder=_history_encoder(parameters, max_length),
        profile=None,
        fusion=None,
        normalise=True,
        dtype=parameters.precision,
    )
    towers.build()
    item_tower.set_features(values)
    return towers


def _history_encoder(parameters: Training, max_length: int) -> keras.layers.Layer:
    # The item tower has the seed itself.
    seed = parameters.seed + 1
    match parameters.tower:
        case "mean":
            mean = parameters.towers.mean
            return MeanUserTower(
                parameters.dimension,
                hidden_units=mean.hidden_units,
                max_length=max_length,
                dropout=mean.dropout,
                seed=seed,
                dtype=parameters.precision,
            )
        case "transformer":
            transformer = parameters.towers.transformer
            return TransformerUserTower(
                parameters.dimension,
                n_blocks=transformer.n_blocks,
                n_heads=transformer.n_heads,
                max_length=max_length,
                dropout=transformer.dropout,
                seed=seed,
                dtype=parameters.precision,
            )


def assemble_objective(parameters: Training, counts: np.ndarray) -> Objective:
    """Return the objective that the parameters name.

    Args:
        parameters: of training.
        counts: `[n_items]` int, how often each dense id is a training positive.
    """
    match parameters.objective:
        case "softmax":
            return partial(
                full_softmax,
                temperature=parameters.objectives.softmax.temperature,
                chunk=parameters.batches.chunk,
            )
        case "in_batch_softmax":
            options = parameters.objectives.in_batch_softmax
            log_shares = log_share_of_rows(counts)
            return partial(
                in_batch_softmax,
                temperature=options.temperature,
                chunk=parameters.batches.chunk,
                log_shares=log_shares if options.log_q else np.zeros_like(log_shares),
                mask_hits=options.mask_hits,
            )


def assemble_optimizer(
    parameters: Training, *, total_steps: int
) -> keras.optimizers.Optimizer:
    """Return the optimiser, with its schedule over `total_steps` steps."""
    optimizer, schedule = parameters.optimizer, parameters.schedule
    rate = optimizer.learning_rate
    if schedule.kind == "cosine":
        rate = cosine_with_warmup(
            peak=optimizer.learning_rate,
            final_share=schedule.final_share,
            # However short the training, it gets to the rate that was asked for.
            warmup_steps=min(schedule.warmup_steps, total_steps // 3),
            total_steps=total_steps,
        )
    return make_optimizer(
        optimizer.kind,
        learning_rate=rate,
        weight_decay=optimizer.weight_decay,
        beta_2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        clip_norm=optimizer.clip_norm,
    )
