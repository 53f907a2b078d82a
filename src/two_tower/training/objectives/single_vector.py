"""Objectives: from towers and a batch to a loss."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
from keras import ops

from two_tower.losses.contrastive import contrastive
from two_tower.losses.sampled_softmax import sampled_softmax_cross_entropy, without_hits
from two_tower.losses.softmax import Excluded, softmax_cross_entropy
from two_tower.negatives.base import Candidates, whole_catalogue
from two_tower.towers.two_tower import TwoTower
from two_tower.training.metrics import Measure
from two_tower.types import FIRST_ID, Tensor

TensorBatch: TypeAlias = dict[str, Tensor]

PairwiseLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From `[P]` and `[P, n]` logits and `[P, n]` weights to `[P]` losses."""


class Objective(Protocol):
    """What training minimises."""

    def __call__(
        self,
        towers: TwoTower,
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> Tensor:
        """Return the weighted sum of the batch's losses, a float32 scalar.

        Args:
            towers: both towers.
            batch: as a feed makes it.
            temperature: divides the scores; above 0.
            training: whether to drop.
        """


@runtime_checkable
class MeasuringObjective(Objective, Protocol):
    """An objective that tells more of a batch than its loss."""

    def measures(self, towers: TwoTower) -> Sequence[Measure]:
        """Return what is measured, each name once."""

    def measured(
        self,
        towers: TwoTower,
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, as calling does, and the figure of each measure's name."""


def full_softmax(
    towers: TwoTower,
    batch: TensorBatch,
    *,
    temperature: float | Tensor,
    training: bool,
    known: npt.NDArray[np.bool_],
    chunk: int,
) -> Tensor:
    """Tell each positive from all items that training knows.

    The item tower runs once over the catalogue, and so does a tower of histories' own;
    histories look their items up in the outcome. Items that are `known` by no
    interaction have weight 0: as mere negatives they would learn to be low, whatever
    their content says.
    """
    labels, n_items = batch["labels"], towers.item_tower.n_entities
    every_id = ops.arange(n_items, dtype="int32")
    # Batch norm's statistics are of the known items alone, too.
    weights = ops.convert_to_tensor(known.astype(np.float32))
    catalogue = towers.item_tower(every_id, training=training, weights=weights)
    separate = towers.history_item_tower
    of_histories = (
        catalogue
        if separate is None
        else separate(every_id, training=training, weights=weights)
    )
    queries = towers.queries(batch, catalogue=of_histories, training=training)
    scored = towers.as_scored(catalogue)
    return softmax_cross_entropy(
        queries,
        ops.take(scored, labels, axis=0),
        labels,
        batch["weights"],
        whole_catalogue(known, labels),
        scored[FIRST_ID:],
        temperature=temperature,
        mask_hits=False,
        chunk=chunk,
        excluded=_excluded(batch),
    )


def shared_softmax(
    towers: TwoTower,
    batch: TensorBatch,
    *,
    temperature: float | Tensor,
    training: bool,
    mask_hits: bool,
    chunk: int,
) -> Tensor:
    """Tell each positive from candidates that the batch shares.

    The cost of a step does not depend on the catalogue's size.
    """
    queries = towers.queries(batch, training=training)
    positives, vectors = embed_candidates(towers, batch, training=training)
    candidates = Candidates(
        batch["candidates"],
        batch["candidate_weights"],
        batch["candidate_log_q"],
        batch["own_log_q"],
    )
    return softmax_cross_entropy(
        queries,
        positives,
        batch["labels"],
        batch["weights"],
        candidates,
        vectors,
        temperature=temperature,
        mask_hits=mask_hits,
        chunk=chunk,
        excluded=_excluded(batch),
    )


def own_softmax(
    towers: TwoTower,
    batch: TensorBatch,
    *,
    temperature: float | Tensor,
    training: bool,
) -> Tensor:
    """Tell each positive from candidates of its own, hits left out."""
    queries = towers.queries(batch, training=training)
    positives, vectors = embed_candidates(towers, batch, training=training)
    losses = sampled_softmax_cross_entropy(
        _own_scores(queries, positives) / temperature,
        _candidate_scores(queries, vectors) / temperature,
        negative_weights(batch),
        batch["candidate_log_q"],
        batch["own_log_q"],
    )
    return ops.sum(losses * batch["weights"])


def pairwise(
    towers: TwoTower,
    batch: TensorBatch,
    *,
    temperature: float | Tensor,
    training: bool,
    loss: PairwiseLoss,
) -> Tensor:
    """Hold each positive's score against that of each of its negatives, hits left out.

    The negatives are its own or the batch's; either way there are P · n scores.
    """
    queries = towers.queries(batch, training=training)
    positives, vectors = embed_candidates(towers, batch, training=training)
    losses = loss(
        _own_scores(queries, positives) / temperature,
        _candidate_scores(queries, vectors) / temperature,
        negative_weights(batch),
    )
    return ops.sum(losses * batch["weights"])


def self_supervised(
    towers: TwoTower,
    batch: TensorBatch,
    *,
    temperature: float | Tensor,
    training: bool,
    main: Objective,
    alpha: float,
) -> Tensor:
    """Add to the main loss that two views of an item be alike.

    Of a positive's mean loss the views' mean loss makes up `alpha` times itself,
    however many positives there are.
    """
    items = batch["views_items"]
    left, right = (
        towers.as_scored(
            towers.item_tower(items, training=training, kept=batch[f"views_{side}"])
        )
        for side in ("left", "right")
    )
    of_views = ops.mean(contrastive(left, right, temperature=temperature))
    loss = main(towers, batch, temperature=temperature, training=training)
    return loss + alpha * ops.sum(batch["weights"]) * of_views


def embed_candidates(
    towers: TwoTower, batch: TensorBatch, *, training: bool
) -> tuple[Tensor, Tensor]:
    """Return the positives' `[P, D]` and the candidates' vectors, as they are scored.

    They pass the item tower together, once: batch normalisation then sees them alike,
    and where the candidates hold the positives nothing is embedded twice: an item
    counts there in its statistics as often as it has places.
    """
    ids = batch["candidates"]
    flat = ops.reshape(ids, (-1,))
    if "own_column" in batch:
        weights = batch["candidate_weights"]
        vectors = towers.as_scored(
            towers.item_tower(flat, training=training, weights=weights)
        )
        return ops.take(vectors, batch["own_column"], axis=0), vectors
    both = ops.concatenate([flat, batch["labels"]])
    vectors = towers.as_scored(towers.item_tower(both, training=training))
    n_candidates = ops.shape(flat)[0]
    of_candidates = ops.reshape(
        vectors[:n_candidates], (*ops.shape(ids), towers.dimension)
    )
    return vectors[n_candidates:], of_candidates


def negative_weights(batch: TensorBatch) -> Tensor:
    """Return how many negatives each candidate stands for: `[P, n]` float32.

    0 for the query's own item, and for what its user is not to be told from.
    """
    ids, weights, labels = (
        batch["candidates"],
        batch["candidate_weights"],
        batch["labels"],
    )
    if "excluded" in batch:
        is_excluded = ops.take(batch["excluded"], batch["rows"], axis=0)
        weights = ops.where(is_excluded, 0.0, weights)
    if len(ids.shape) == 1:
        ids = ops.expand_dims(ids, 0)
    return without_hits(weights, ids, labels)


def _own_scores(queries: Tensor, positives: Tensor) -> Tensor:
    return ops.sum(queries * positives, axis=-1)


def _candidate_scores(queries: Tensor, vectors: Tensor) -> Tensor:
    """Return `[P, n]` scores against shared `[n, D]` or own `[P, n, D]` candidates."""
    if len(vectors.shape) == 2:  # noqa: PLR2004
        return ops.matmul(queries, ops.transpose(vectors))
    products = ops.matmul(vectors, ops.expand_dims(queries, -1))
    return ops.squeeze(products, -1)


def _excluded(batch: TensorBatch) -> Excluded | None:
    if "excluded" not in batch:
        return None
    return Excluded(batch["excluded"], batch["rows"])
