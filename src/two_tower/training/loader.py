"""The data loader of a training: its batches, sampled negatives and views."""

from typing import Any

import numpy as np

from two_tower.negatives.base import Source
from two_tower.negatives.queue import QueueParams
from two_tower.negatives.registry import CatalogueParams
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.two_tower import TwoTower
from two_tower.training.batches.pairs import PairBatches
from two_tower.training.batches.positions import PositionBatches
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.windows import WindowBatches
from two_tower.training.inputs import ModelInputs
from two_tower.training.params import Training
from two_tower.types import FIRST_ID, ID


def build_batches(
    parameters: Training, inputs: ModelInputs, towers: TwoTower
) -> PairBatches | PositionBatches | WindowBatches:
    """Return the batches of each epoch.

    Raises:
        ValueError: if a window is longer than the widest bucket, a batch larger than
            the queue, or fewer than two features are maskable in self-supervision.
    """
    batches = _batches(parameters, inputs, towers)
    queue = parameters.negatives.chosen
    if not isinstance(queue, QueueParams):
        return batches
    if queue.size - queue.hard < batches.max_queries:
        raise ValueError(
            f"training.negatives.queue.size is {queue.size} and hard is {queue.hard}: "
            f"the other {queue.size - queue.hard} entries must hold a batch of up to "
            f"{batches.max_queries} queries; raise size, or lower hard or "
            "training.batches"
        )
    return batches


def _batches(
    parameters: Training, inputs: ModelInputs, towers: TwoTower
) -> PairBatches | PositionBatches | WindowBatches:
    batches = parameters.batches
    shared: dict[str, Any] = {
        "chunk": parameters.logits_chunk,
        "seed": parameters.seed,
        "sampler": build_sampler(parameters, inputs, towers.item_tower),
    }
    if not towers.max_length:
        users, labels = inputs.sequences.pairs()
        return PairBatches(users, labels, size=batches.pairs, **shared)
    boundaries = bucket_boundaries(parameters, towers.max_length)
    if not towers.query_per_position:
        # One width: batches of similar histories would fill the queue with their kind.
        return PositionBatches(
            inputs.sequences,
            boundaries[-1:],
            size=batches.pairs,
            request_time=towers.request_time,
            epochs=parameters.epochs,
            **shared,
        )
    return WindowBatches(
        inputs.sequences,
        boundaries,
        tokens_per_batch=batches.tokens_per_batch,
        with_ages=towers.reads_events,
        request_time=towers.request_time,
        **shared,
    )


def build_sampler(
    parameters: Training, inputs: ModelInputs, item_tower: EntityTower
) -> BatchSampler:
    """Return what adds negatives, masks and views to each batch.

    Raises:
        ValueError: if fewer than two features are maskable in self-supervision, or no
            user has an explicit negative.
    """
    masks_consumed = parameters.masks.consumed
    return BatchSampler(
        source=build_source(parameters, inputs),
        consumed=inputs.negative_data().consumed if masks_consumed else None,
        catalogue=np.arange(FIRST_ID, item_tower.n_entities, dtype=np.int32),
        views=parameters.self_supervision.build(
            inputs.candidate_ids,
            {part: _is_maskable(item_tower, part) for part in item_tower.parts},
            inputs.information,
        ),
    )


def build_source(parameters: Training, inputs: ModelInputs) -> Source | None:
    """Return the source of negatives, or None for the whole catalogue.

    Raises:
        ValueError: if negatives are low-rated items and there are none.
    """
    if isinstance(parameters.negatives.chosen, CatalogueParams):
        return None  # before the training pairs are in memory twice
    data = inputs.negative_data()
    frequencies = parameters.log_q.chosen.build(data.counts, seed=parameters.seed)
    return parameters.negatives.chosen.build(data, frequencies)


def _is_maskable(item_tower: EntityTower, part: str) -> bool:
    return part == ID or item_tower.features[part].feature.kind != "dense"


def bucket_boundaries(parameters: Training, longest: int) -> list[int]:
    """Return the widths of batches, the last one that of the longest history.

    So serving sees no position that training has not.

    Raises:
        ValueError: if a history is longer than the widest bucket.
    """
    boundaries = parameters.batches.bucket_boundaries
    if longest > boundaries[-1]:
        per_position = parameters.history.chosen.query_per_position
        limit = "sequencing.window" if per_position else "the encoder's max_items"
        raise ValueError(
            f"the longest history has {longest} items, more than the widest of "
            f"training.batches.bucket_boundaries {boundaries}; add a boundary, or "
            f"lower {limit}"
        )
    return [*(width for width in boundaries if width < longest), longest]
