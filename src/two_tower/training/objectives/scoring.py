"""Scores of a batch: queries against positives and candidates, over the temperature.

What objectives share. `losses.logits` has the formulas, this module reads the batch.
"""

from typing import NamedTuple

from keras import ops

from two_tower.losses.logits import find_masked, scale
from two_tower.losses.softmax import Excluded
from two_tower.negatives.base import Candidates
from two_tower.towers.two_tower import TwoTower
from two_tower.training.objectives.base import TensorBatch
from two_tower.types import Tensor


class PairScores(NamedTuple):
    """Scores of each query's positive and negatives, over the temperature.

    Attributes:
        positive: `[P]` float32.
        negative: `[P, n]` float32.
        weights: `[P, n]` float32, how many negatives each stands for; 0 if masked.
    """

    positive: Tensor
    negative: Tensor
    weights: Tensor


def score_pairs(
    towers: TwoTower,
    batch: TensorBatch,
    *,
    temperature: float | Tensor,
    training: bool,
) -> PairScores:
    """Score positives and negatives, accidental hits and excluded items masked.

    The candidates are each query's own or shared by the batch; either way there are
    P · n scores.

    Args:
        towers: both towers.
        batch: with candidates.
        temperature: divides the scores; above 0.
        training: whether dropout is applied.
    """
    queries = scale(towers.queries(batch, training=training), temperature)
    positives, vectors = embed_candidates(towers, batch, training=training)
    masked = masked_candidates(batch)
    return PairScores(
        ops.sum(queries * positives, axis=-1),
        _products(queries, vectors),
        ops.where(masked, 0.0, batch["candidate_weights"]),
    )


def batch_candidates(batch: TensorBatch) -> Candidates:
    """Return the candidates that a source sampled for a batch."""
    return Candidates(
        batch["candidates"],
        batch["candidate_weights"],
        batch["candidate_log_q"],
        batch["own_log_q"],
    )


def excluded_columns(batch: TensorBatch) -> Excluded | None:
    """Return the shared candidates that are excluded for rows of a batch, if any."""
    if "excluded" not in batch:
        return None
    return Excluded(batch["excluded"], batch["rows"])


def embed_candidates(
    towers: TwoTower, batch: TensorBatch, *, training: bool
) -> tuple[Tensor, Tensor]:
    """Return the vectors of positives, `[P, D]`, and of candidates, as they are scored.

    Both pass the item tower together, once, so that batch normalisation sees them
    alike. Where the candidates contain the positives, nothing is embedded twice; an
    item then counts in the statistics by its weight.
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


def masked_candidates(batch: TensorBatch) -> Tensor:
    """Return `[P, n]` bool: accidental hits, and items excluded for a query's user."""
    ids, excluded = batch["candidates"], None
    if "excluded" in batch:
        excluded = ops.take(batch["excluded"], batch["rows"], axis=0)
    return find_masked(batch["labels"], ids, excluded, mask_hits=True)


def _products(queries: Tensor, vectors: Tensor) -> Tensor:
    """Return `[P, n]` scores against shared `[n, D]` or own `[P, n, D]` candidates."""
    if len(vectors.shape) == 2:  # noqa: PLR2004
        return ops.matmul(queries, ops.transpose(vectors))
    products = ops.matmul(vectors, ops.expand_dims(queries, -1))
    return ops.squeeze(products, -1)
