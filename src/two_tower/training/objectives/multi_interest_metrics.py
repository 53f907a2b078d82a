"""What training with several vectors tells of itself beside its loss."""

from keras import ops

from two_tower.losses.multi_interest import weighted_mean
from two_tower.towers.multi_interest.tower import Interests
from two_tower.training.metrics import (
    GREATEST_HEAD,
    GREATEST_ITEM_HEAD,
    GREATEST_VECTOR,
    LEAST_HEAD,
    LEAST_ITEM_HEAD,
    LEAST_VECTOR,
    VECTOR_LIKENESS,
    Measure,
)
from two_tower.training.objectives.single_vector import TensorBatch
from two_tower.types import Tensor


def interest_measures(
    *, n_heads: int, n_vectors: int, hard: bool, soft_max_temperature: bool
) -> list[Measure]:
    """Return what is measured of users with several vectors.

    Args:
        n_heads: H.
        n_vectors: V.
        hard: whether there are hard candidates.
        soft_max_temperature: whether vectors count by a soft_max_temperature.

    - `nll`: the main loss, nats per positive;
    - `load_balancing`, `entropy`, `semantic`: the auxiliary losses, before weights;
    - `accuracy`: share of positives whose logit, by their best vector or, of assignment
      `nearest`, by all as they count, is above those of all their candidates, as
      the loss has them: by its temperature, margin, log q and weights;
    - `positive_cosine` and, of the epoch, `positive_cosine_min` and `_max`: of a
      positive and its nearest vector;
    - `real_places`: share of a batch's places that are no padding;
    - `negative_weight`: mean over a positive's candidates of how many negatives
      each stands for, 0 if left out; `negative_weight_min` and `_max`: of all
      candidates that are not hard and count at all;
    - `hard_count_min`, `hard_count_max`: the fewest and the most hard candidates
      that counted for a positive, if there are hard ones;
    - `head_certainty`: mean of max_h p(h), of a positive's category;
    - `head_posterior_min`, `head_posterior_max`: the least and the greatest
      head's mean posterior over all positives; 1/H if all are used alike;
    - `item_head_min`, `item_head_max`: the least and the greatest head's share of
      the mass of all histories' items, Σ_t p(t) · p(h | t);
    - `vector_likeness`: mean cosine of two of a user's vectors, if there are two;
    - `vector_share_min`, `vector_share_max`: then, the least and the greatest
      vector's share of the positives, each of its nearest vector;
    - `soft_max_temperature`: of assignment `nearest`, the mean over batches.
    """
    names = (
        "nll",
        "load_balancing",
        "entropy",
        "semantic",
        "accuracy",
        "positive_cosine",
        "negative_weight",
        "head_certainty",
    )
    of_hard = [
        Measure("hard_count_min", "min"),
        Measure("hard_count_max", "max"),
    ]
    several = [
        Measure(VECTOR_LIKENESS, "mean"),
        Measure(LEAST_VECTOR, "min_of_means", n_vectors),
        Measure(GREATEST_VECTOR, "max_of_means", n_vectors),
    ]
    of_soft_max_temperature = [Measure("soft_max_temperature", "mean_of_batches")]
    return [
        *(Measure(name, "mean") for name in names),
        Measure("positive_cosine_min", "min"),
        Measure("positive_cosine_max", "max"),
        Measure("real_places", "mean_of_batches"),
        Measure("negative_weight_min", "min"),
        Measure("negative_weight_max", "max"),
        *(of_hard if hard else []),
        Measure(LEAST_HEAD, "min_of_means", n_heads),
        Measure(GREATEST_HEAD, "max_of_means", n_heads),
        Measure(LEAST_ITEM_HEAD, "min_of_shares", n_heads),
        Measure(GREATEST_ITEM_HEAD, "max_of_shares", n_heads),
        *(several if n_vectors > 1 else []),
        *(of_soft_max_temperature if soft_max_temperature else []),
    ]


def weight_figures(
    batch: TensorBatch, is_rival: Tensor, *, hard: int
) -> dict[str, Tensor]:
    """Return what became of the candidates' weights.

    Args:
        batch: as a feed of places makes it.
        is_rival: `[P, Q]` bool, False for candidates that are left out for a place.
        hard: how many of the first candidates are hard.
    """
    weights, of_candidates = batch["weights"], batch["candidate_weights"]
    counts = ops.cast(is_rival, "float32")
    n_candidates = ops.cast(ops.shape(of_candidates)[0], "float32")
    means = ops.matmul(counts, of_candidates) / n_candidates
    easy = of_candidates[hard:]
    figures = {
        "negative_weight": weighted_mean(means, weights),
        **_bounds("negative_weight", easy, easy),
        "real_places": ops.mean(ops.cast(weights > 0, "float32")),
    }
    if hard:
        is_filled = ops.cast(of_candidates[:hard] > 0, "float32")
        hard_counts = ops.matmul(counts[:, :hard], is_filled)
        figures |= _bounds("hard_count", hard_counts, weights)
    return figures


def rank_figures(
    cosines: Tensor, positive: Tensor, greatest: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """Return how near the positives are, and how often no candidate is nearer.

    Args:
        cosines: `[P, V]` float, of each place's vectors and its positive.
        positive: `[P, V]` or `[P, 1]` float32, the positive's logits.
        greatest: likewise, the greatest logits of its candidates.
        weights: `[P]` float32, 0 for padding.
    """
    best = ops.max(cosines, axis=-1)
    is_first = ops.max(positive, axis=-1) > ops.max(greatest, axis=-1)
    return {
        "accuracy": weighted_mean(ops.cast(is_first, "float32"), weights),
        "positive_cosine": weighted_mean(best, weights),
        **_bounds("positive_cosine", best, weights),
    }


def head_figures(log_posterior: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Return how sure the router is, and each head's part of the positives.

    Args:
        log_posterior: `[P, H]` float32, log p(h) of each place's positive.
        weights: `[P]` float32, 0 for padding.
    """
    posterior = ops.exp(log_posterior)
    of_heads = weighted_mean(posterior, weights)
    return {
        "head_certainty": weighted_mean(ops.max(posterior, axis=-1), weights),
        LEAST_HEAD: of_heads,
        GREATEST_HEAD: of_heads,
    }


def user_figures(users: Interests, weights: Tensor) -> dict[str, Tensor]:
    """Return each head's part of the items.

    Args:
        users: of P places.
        weights: `[P]` float32, 0 for padding.
    """
    masses = ops.sum(
        ops.expand_dims(users.item_probability, -1) * users.head_of_item, axis=1
    )
    # Places without history have no mass; shares are of what the others have.
    of_heads = weighted_mean(masses, weights)
    return {LEAST_ITEM_HEAD: of_heads, GREATEST_ITEM_HEAD: of_heads}


def vector_figures(
    vectors: Tensor, cosines: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """Return how like users' vectors are, and each one's part of the positives.

    Args:
        vectors: `[P, V, D]` float, unit vectors.
        cosines: `[P, V]` float, of each place's vectors and its positive.
        weights: `[P]` float32, 0 for padding.

    Returns:
        Nothing of one vector.
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
        LEAST_VECTOR: of_vectors,
        GREATEST_VECTOR: of_vectors,
    }


def _bounds(name: str, values: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Return the least and the greatest of the values whose weight is above 0."""
    is_real, infinite = weights > 0, float("inf")
    return {
        f"{name}_min": ops.min(ops.where(is_real, values, infinite)),
        f"{name}_max": ops.max(ops.where(is_real, values, -infinite)),
    }
