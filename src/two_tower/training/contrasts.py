"""What positives are told apart from, and by which loss, as the parameters say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy
from two_tower.negatives.base import Source, log_share_of_rows
from two_tower.negatives.consumed import Consumed
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.log_q import (
    ExactFrequencies,
    Frequencies,
    StreamingFrequencies,
)
from two_tower.negatives.low_rated import LowRated
from two_tower.negatives.mixed import Mixed
from two_tower.negatives.popular import Popular
from two_tower.negatives.queue import Queue
from two_tower.negatives.unconsumed import Unconsumed
from two_tower.negatives.uniform import Uniform
from two_tower.towers.entity_tower import EntityTower
from two_tower.training.batches.sampling import Additions, DrawViews
from two_tower.training.batches.views import (
    Pattern,
    complementary_masks,
    correlated_masks,
    draw_views,
    random_masks,
)
from two_tower.training.inputs import ModelInputs
from two_tower.training.objectives.multi_interest import (
    AuxiliaryWeights,
    InterestSoftmax,
    Softness,
)
from two_tower.training.objectives.single_vector import (
    Objective,
    PairwiseLoss,
    calibrated_cross_entropy,
    full_softmax,
    own_softmax,
    pairwise,
    self_supervised,
    shared_softmax,
)
from two_tower.types import FIRST_ID, ID, OF_POSITIVES, ROW_PER_PLACE, IntArray

if TYPE_CHECKING:  # a GPU machine may have no Pydantic
    from two_tower.training.params.training import Training


def assemble_additions(
    parameters: Training, inputs: ModelInputs, item_tower: EntityTower
) -> Additions:
    """Return what is drawn for each batch beside its positives.

    Raises:
        ValueError: if there is nothing for self-supervision to leave out, or nothing
            that users dislike.
    """
    n_items = item_tower.n_entities
    return Additions(
        source=assemble_source(parameters, inputs, n_items),
        consumed=_consumed(inputs, n_items) if parameters.masks.consumed else None,
        catalogue=np.arange(FIRST_ID, n_items, dtype=np.int32),
        views=assemble_views(parameters, item_tower, inputs),
    )


def _consumed(inputs: ModelInputs, n_items: int) -> Consumed:
    users, items = inputs.sequences.pairs()
    return Consumed.from_pairs(users, items, n_users=inputs.n_users, n_items=n_items)


def assemble_source(
    parameters: Training, inputs: ModelInputs, n_items: int
) -> Source | None:
    """Return the source of negatives, or None for the whole catalogue.

    Args:
        parameters: of training.
        inputs: the model inputs.
        n_items: rows of the item table, reserved ids included.

    Raises:
        ValueError: if negatives are to be low-rated and no item is.
    """
    if parameters.negatives == "catalogue":
        return None
    if parameters.negatives in OF_POSITIVES:
        counts = inputs.sequences.count_positives(n_items)
        frequencies = assemble_frequencies(parameters, counts)
        return _source_of_positives(parameters, frequencies, inputs.candidate_ids)
    return _source_of_catalogue(parameters, inputs, n_items)


def _source_of_positives(
    parameters: Training, frequencies: Frequencies | None, items: IntArray
) -> Source:
    sources = parameters.sources
    match parameters.negatives:
        case "in_batch":
            return InBatch(sources.in_batch.block, frequencies)
        case "queue":
            queue = sources.queue
            return Queue(queue.size, frequencies, hard=queue.hard, unique=queue.unique)
        case _:
            mixed = sources.mixed
            return Mixed(items, mixed.count, mixed.block, frequencies)


def _source_of_catalogue(
    parameters: Training, inputs: ModelInputs, n_items: int
) -> Source:
    sources, log_q = parameters.sources, parameters.log_q != "none"
    items = inputs.candidate_ids
    match parameters.negatives:
        case "uniform":
            return Uniform(
                items,
                sources.uniform.draws,
                per_positive=bool(sources.uniform.per_positive),
                log_q=log_q,
            )
        case "popular":
            return Popular(
                inputs.sequences.count_positives(n_items),
                exponent=sources.popular.exponent,
                count=sources.popular.draws,
                per_positive=bool(sources.popular.per_positive),
                log_q=log_q,
            )
        case "unconsumed":
            n_draws = sources.unconsumed.per_positive
            consumed = _consumed(inputs, n_items)
            return Unconsumed(consumed, items, count=n_draws, log_q=log_q)
        case _:
            return _low_rated(parameters, inputs)


def _low_rated(parameters: Training, inputs: ModelInputs) -> LowRated:
    asked, log_q = parameters.sources.low_rated, parameters.log_q != "none"
    explicit_negatives = inputs.explicit_negatives.keep(
        inputs.is_candidate[inputs.explicit_negatives.values]
    )
    if not len(explicit_negatives.values):
        raise ValueError(
            "training.negatives is 'low_rated', but no user dislikes any item: set "
            "sequencing.explicit_negatives.max_rating to the highest rating that is "
            "a dislike "
            "(null collects none), below sequencing.selection.min_rating, from which "
            "on a rating is a positive; or choose other negatives"
        )
    others = Uniform(
        inputs.candidate_ids, asked.uniform, per_positive=True, log_q=log_q
    )
    return LowRated(
        explicit_negatives,
        count=asked.per_positive,
        log_q=log_q,
        others=others if asked.uniform else None,
    )


def assemble_frequencies(
    parameters: Training, counts: npt.NDArray[np.int64]
) -> Frequencies | None:
    """Return where log q comes from, for sources that draw positives.

    Args:
        parameters: of training.
        counts: `[n_items]`, how often each dense id is a training positive.
    """
    match parameters.log_q:
        case "none":
            return None
        case "exact":
            return ExactFrequencies(log_share_of_rows(counts))
        case "streaming":
            streaming = parameters.streaming
            return StreamingFrequencies(
                streaming.buckets,
                streaming.hashes,
                streaming.memory,
                seed=parameters.seed,
            )


def assemble_views(
    parameters: Training,
    item_tower: EntityTower,
    inputs: ModelInputs,
) -> DrawViews | None:
    """Return what draws the items and views of a batch, or None without any.

    Args:
        parameters: of training.
        item_tower: whose parts are left out of the views.
        inputs: the model inputs, which know what parts tell of each other.

    Raises:
        ValueError: if items have no feature that can be left out.
    """
    asked = parameters.self_supervision
    if asked.pattern == "none":
        return None
    features = item_tower.features
    hidden = [
        part
        for part in item_tower.parts
        if part == ID or not features[part].feature.is_dense
    ]
    if len(hidden) < 2:  # noqa: PLR2004 (one to hide, one to keep)
        raise ValueError(
            f"training.self_supervision.pattern is {asked.pattern!r}, but of what "
            f"items have, {item_tower.parts}, only {hidden} can be left out of a view; "
            "it needs two or more, the id included, that are not dense: declare "
            "features in sequencing.features.item, or set pattern to none"
        )
    return partial(
        draw_views,
        inputs.candidate_ids,
        asked.items,
        np.array([part in hidden for part in item_tower.parts]),
        _pattern(asked.pattern, hidden, inputs.information),
    )


def _pattern(
    kind: str, parts: list[str], information: Mapping[str, Mapping[str, float]]
) -> Pattern:
    match kind:
        case "rfm":
            return random_masks
        case "rfm-complementary":
            return complementary_masks
        case _:
            matrix = [[information[one][other] for other in parts] for one in parts]
            return partial(correlated_masks, information=np.array(matrix))


def assemble_objective(parameters: Training, known: npt.NDArray[np.bool_]) -> Objective:
    """Return the objective that the parameters name.

    Args:
        parameters: of training.
        known: `[n_items]` bool by dense id, which items training knows; a positive is
            told from them alone.
    """
    main = _main_objective(parameters, known)
    if parameters.self_supervision.pattern == "none":
        return main
    return partial(self_supervised, main=main, alpha=parameters.self_supervision.alpha)


def _main_objective(parameters: Training, known: npt.NDArray[np.bool_]) -> Objective:
    if parameters.objective == "interest_softmax":
        return _interest_softmax(parameters)
    if parameters.objective != "softmax":
        return partial(pairwise, loss=_pairwise_loss(parameters, int(known.sum())))
    chunk = places_at_a_time(parameters)
    smoothing = parameters.objectives.softmax.smoothing
    if parameters.negatives == "catalogue":
        return partial(full_softmax, known=known, chunk=chunk, smoothing=smoothing)
    if parameters.has_own_candidates:
        return partial(own_softmax, smoothing=smoothing)
    return partial(
        shared_softmax,
        mask_hits=parameters.masks.hits,
        chunk=chunk,
        smoothing=smoothing,
    )


def _interest_softmax(parameters: Training) -> InterestSoftmax:
    asked, queue = parameters.objectives.interest_softmax, parameters.sources.queue
    return InterestSoftmax(
        joint=asked.joint,
        credit=asked.credit,
        softness=Softness(asked.softness.start, asked.softness.end),
        margin=asked.margin,
        hard=queue.hard if parameters.negatives == "queue" else 0,
        auxiliary=AuxiliaryWeights(
            dead_heads=asked.dead_heads.weight,
            sharpness=asked.sharpness.weight,
            semantic=asked.semantic.weight,
        ),
        enough=asked.sharpness.enough,
        semantic_temperature=asked.semantic.temperature,
    )


def _pairwise_loss(parameters: Training, n_items: int) -> PairwiseLoss:
    options = parameters.objectives
    match parameters.objective:
        case "max_margin":
            return partial(max_margin, margin=options.max_margin.margin)
        case "gbce":
            return partial(
                calibrated_cross_entropy,
                n_items=n_items,
                calibration=options.gbce.calibration,
            )
        case _:
            return sigmoid_cross_entropy


def places_at_a_time(parameters: Training) -> int:
    """Return how many queries' logits exist at one time, of which batches are made."""
    batches = parameters.batches
    if parameters.history in ROW_PER_PLACE:
        return min(batches.chunk, batches.pairs)
    return batches.chunk
