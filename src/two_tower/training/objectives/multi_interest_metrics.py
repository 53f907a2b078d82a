"""Metrics of training with several vectors, beside the loss."""

from keras import ops

from two_tower.losses.interest_heads import weighted_mean
from two_tower.towers.multi_interest.tower import Interests
from two_tower.training.metrics import (
    HEAD_POSTERIOR_MAX,
    HEAD_POSTERIOR_MIN,
    ITEM_HEAD_MAX,
    ITEM_HEAD_MIN,
    VECTOR_LIKENESS,
    VECTOR_SHARE_MAX,
    VECTOR_SHARE_MIN,
    Metric,
)
from two_tower.training.objectives.base import TensorBatch
from two_tower.types import Tensor


def interest_metrics(
    *, n_heads: int, n_vectors: int, hard: bool, soft_max_temperature: bool
) -> list[Metric]:
    """Return the metrics of users with several vectors.

    Args:
        n_heads: H.
        n_vectors: V.
        hard: whether there are hard candidates.
        soft_max_temperature: whether the assignment is `nearest`.

    - `nll`: the main loss, nats per positive;
    - `load_balancing`, `entropy`, `semantic`: the auxiliary losses, before weights;
    - `accuracy`: share of positives whose logit is above those of all their candidates,
      by their best vector or, with assignment `nearest`, by the soft maximum. Logits
      are those of the loss, with temperature, margin, log q and weights;
    - `positive_cosine`, `positive_cosine_min`, `positive_cosine_max`: of a positive and
      its nearest vector, mean and bounds over the epoch;
    - `real_queries`: share of a batch that is not padding;
    - `negative_weight`: mean over a positive's candidates of the number of negatives
      that each stands for, 0 if masked; `negative_weight_min` and `_max`: bounds over
      the candidates that are neither hard nor of weight 0;
    - `hard_count_min`, `hard_count_max`: fewest and most hard candidates that counted
      for a positive, if there are hard ones;
    - `head_certainty`: mean of max_h p(h) of a positive's category;
    - `head_posterior_min`, `head_posterior_max`: the least and the greatest head's mean
      posterior over all positives; 1/H if all are used equally;
    - `item_head_min`, `item_head_max`: the least and the greatest head's share of
      history items, Σ_t p(t) · p(h | t);
    - `vector_likeness`: mean cosine of two vectors of a user, if there are two;
    - `vector_share_min`, `vector_share_max`: then, the least and the greatest vector's
      share of the positives, each of its nearest vector;
    - `soft_max_temperature`: of assignment `nearest`, the mean over batches.
    """
    means = (
        "nll",
        "load_balancing",
        "entropy",
        "semantic",
        "accuracy",
        "positive_cosine",
        "negative_weight",
        "head_certainty",
    )
    of_hard = [Metric("hard_count_min", "min"), Metric("hard_count_max", "max")]
    of_vectors = [
        Metric(VECTOR_LIKENESS, "mean"),
        Metric(VECTOR_SHARE_MIN, "min_of_means", n_vectors),
        Metric(VECTOR_SHARE_MAX, "max_of_means", n_vectors),
    ]
    of_nearest = [Metric("soft_max_temperature", "mean_of_batches")]
    return [
        *(Metric(name, "mean") for name in means),
        Metric("positive_cosine_min", "min"),
        Metric("positive_cosine_max", "max"),
        Metric("real_queries", "mean_of_batches"),
        Metric("negative_weight_min", "min"),
        Metric("negative_weight_max", "max"),
        *(of_hard if hard else []),
        Metric(HEAD_POSTERIOR_MIN, "min_of_means", n_heads),
        Metric(HEAD_POSTERIOR_MAX, "max_of_means", n_heads),
        Metric(ITEM_HEAD_MIN, "min_of_shares", n_heads),
        Metric(ITEM_HEAD_MAX, "max_of_shares", n_heads),
        *(of_vectors if n_vectors > 1 else []),
        *(of_nearest if soft_max_temperature else []),
    ]


def candidate_metrics(
    batch: TensorBatch, masked: Tensor, *, hard: int
) -> dict[str, Tensor]:
    """Return metrics of the candidates and their weights.

    Args:
        batch: with candidates that all queries share.
        masked: `[P, Q]` bool, masked candidates of a query.
        hard: how many of the first candidates are hard.
    """
    weights, of_candidates = batch["weights"], batch["candidate_weights"]
    counts = ops.cast(ops.logical_not(masked), "float32")
    n_candidates = ops.cast(ops.shape(of_candidates)[0], "float32")
    means = ops.matmul(counts, of_candidates) / n_candidates
    easy = of_candidates[hard:]
    metrics = {
        "negative_weight": weighted_mean(means, weights),
        **_bounds("negative_weight", easy, easy),
        "real_queries": ops.mean(ops.cast(weights > 0, "float32")),
    }
    if hard:
        is_filled = ops.cast(of_candidates[:hard] > 0, "float32")
        hard_counts = ops.matmul(counts[:, :hard], is_filled)
        metrics |= _bounds("hard_count", hard_counts, weights)
    return metrics


def ranking_metrics(
    cosines: Tensor, positive: Tensor, greatest: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """Return how near the positives are, and how often no candidate is nearer.

    Args:
        cosines: `[P, V]` float, of each query's vectors and its positive.
        positive: `[P, V]` or `[P, 1]` float32, logits of the positives.
        greatest: same shape, float32, the greatest logits of their candidates.
        weights: `[P]` float32, 0 for padding.
    """
    best = ops.max(cosines, axis=-1)
    is_first = ops.max(positive, axis=-1) > ops.max(greatest, axis=-1)
    return {
        "accuracy": weighted_mean(ops.cast(is_first, "float32"), weights),
        "positive_cosine": weighted_mean(best, weights),
        **_bounds("positive_cosine", best, weights),
    }


def head_metrics(log_posterior: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Return how certain the router is, and each head's share of the positives.

    Args:
        log_posterior: `[P, H]` float32, log p(h) of each query's positive.
        weights: `[P]` float32, 0 for padding.
    """
    posterior = ops.exp(log_posterior)
    of_heads = weighted_mean(posterior, weights)
    return {
        "head_certainty": weighted_mean(ops.max(posterior, axis=-1), weights),
        HEAD_POSTERIOR_MIN: of_heads,
        HEAD_POSTERIOR_MAX: of_heads,
    }


def item_head_metrics(users: Interests, weights: Tensor) -> dict[str, Tensor]:
    """Return each head's share of history items.

    Args:
        users: of P queries.
        weights: `[P]` float32, 0 for padding.
    """
    masses = ops.sum(
        ops.expand_dims(users.item_probability, -1) * users.head_of_item, axis=1
    )
    # Queries without history have no mass; shares are of what the others have.
    of_heads = weighted_mean(masses, weights)
    return {ITEM_HEAD_MIN: of_heads, ITEM_HEAD_MAX: of_heads}


def vector_metrics(
    vectors: Tensor, cosines: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """Return how alike a user's vectors are, and each one's share of the positives.

    Args:
        vectors: `[P, V, D]` float, unit vectors.
        cosines: `[P, V]` float, of each query's vectors and its positive.
        weights: `[P]` float32, 0 for padding.

    Returns:
        Metrics by name; none if V is 1.
    """
    n_vectors = vectors.shape[1]
    if n_vectors == 1:
        return {}
    # Of unit vectors, |Σ_v x_v|² is V and twice the cosines of all pairs.
    of_sums = ops.sum(ops.square(ops.sum(vectors, axis=1)), axis=-1)
    likeness = (of_sums - n_vectors) / (n_vectors * (n_vectors - 1))
    is_nearest = ops.one_hot(ops.argmax(cosines, axis=-1), n_vectors, dtype="float32")
    of_vectors = weighted_mean(is_nearest, weights)
    return {
        VECTOR_LIKENESS: weighted_mean(likeness, weights),
        VECTOR_SHARE_MIN: of_vectors,
        VECTOR_SHARE_MAX: of_vectors,
    }


def _bounds(name: str, values: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Return the least and the greatest of the values whose weight is above 0."""
    is_real, infinite = weights > 0, float("inf")
    return {
        f"{name}_min": ops.min(ops.where(is_real, values, infinite)),
        f"{name}_max": ops.max(ops.where(is_real, values, -infinite)),
    }
