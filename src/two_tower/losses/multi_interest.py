"""Softmax cross-entropy of users with several vectors against shared candidates."""

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

from keras import ops

from two_tower.losses.softmax import SMALLEST_WEIGHT
from two_tower.types import MASKED_LOGIT, Tensor

# Of a vector that is for nothing; its logarithm is still a number.
SMALLEST_SHARE = 1e-30


class Rivals(NamedTuple):
    """What each vector of a query is up against.

    Attributes:
        log_sum: `[P, V]` float32, log Σ_q exp(score + log weight), the candidates' part
            of a softmax' denominator.
        greatest: `[P, V]` float32, the greatest of the terms' logarithms; it has no
            gradient.
    """

    log_sum: Tensor
    greatest: Tensor


def score_rivals(queries: Tensor, vectors: Tensor, log_weights: Tensor) -> Rivals:
    """Return the candidates' sums of exponentials, with one `[P, V, Q]` tensor.

    Args:
        queries: `[P, V, D]` float, over the temperature.
        vectors: `[Q, D]` float, of the candidates.
        log_weights: `[P, Q]` float, or `[1, Q]` where all queries share them: natural
            log of how many negatives a candidate stands for, less log q;
            `MASKED_LOGIT` leaves it out. It gets no gradient.
    """
    queries, vectors, log_weights = (
        ops.cast(tensor, "float32") for tensor in (queries, vectors, log_weights)
    )
    log_sum, greatest = ops.unstack(_log_sum(queries, vectors, log_weights), 2)
    return Rivals(log_sum, ops.stop_gradient(greatest))


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _log_sum(
    queries: Tensor, vectors: Tensor, log_weights: Tensor
) -> tuple[Tensor, Callable[..., tuple[Tensor, ...]]]:
    """Return `[2, P, V]`: the log of the sum, and its greatest term's.

    The gradient in the logits is the softmax itself. Its denominators are of a query
    each, so they scale what goes into and comes out of the products, and the
    exponentials are all that is kept of size [P, V, Q].
    """
    n_places, n_vectors, dimension = ops.shape(queries)
    flat = ops.reshape(queries, (-1, dimension))
    scores = ops.matmul(flat, ops.transpose(vectors))
    logits = ops.reshape(scores, (n_places, n_vectors, -1))
    logits = logits + ops.expand_dims(log_weights, 1)
    greatest = ops.max(logits, axis=-1, keepdims=True)
    exponentials = ops.exp(logits - greatest)
    # The greatest term is exp(0), so the sum is 1 at least.
    sums = ops.sum(exponentials, axis=-1)
    greatest = ops.squeeze(greatest, -1)

    def gradient(*args: Any, upstream: Any = None) -> tuple[Tensor, ...]:
        up = args[0] if upstream is None else upstream
        per_unit = ops.reshape(up[0] / sums, (-1, 1))
        terms = ops.reshape(exponentials, (n_places * n_vectors, -1))
        to_queries = ops.matmul(terms, vectors) * per_unit
        to_vectors = ops.matmul(ops.transpose(terms), flat * per_unit)
        return (
            ops.reshape(to_queries, (n_places, n_vectors, dimension)),
            to_vectors,
            ops.zeros_like(log_weights),
        )

    return ops.stack([greatest + ops.log(sums), greatest]), gradient


def score_of_nearest(scores: Tensor, soft_max_temperature: float | Tensor) -> Tensor:
    """Return s · log Σ_v exp(score_v / s): of s near 0 the greatest of V scores.

    Of s = 1 it is what a softmax over all pairs of a vector and an item adds up for an
    item; in between, vectors that are all but the nearest still have a part.

    Args:
        scores: `[P, V]` float, over the temperature.
        soft_max_temperature: s, in (0, 1].

    Returns:
        `[P, 1]` float32.
    """
    scores = ops.cast(scores, "float32")
    # Whatever is taken out and put back has no part in the gradient.
    greatest = ops.stop_gradient(ops.max(scores, axis=1, keepdims=True))
    exponentials = ops.exp((scores - greatest) / soft_max_temperature)
    return greatest + soft_max_temperature * ops.log(
        ops.sum(exponentials, axis=1, keepdims=True)
    )


def score_rivals_of_nearest(
    queries: Tensor,
    vectors: Tensor,
    log_weights: Tensor,
    soft_max_temperature: float | Tensor,
) -> Rivals:
    """Return the candidates' sums of exponentials, each by its `score_of_nearest`.

    Args:
        queries: as of `score_rivals`.
        vectors: as of `score_rivals`.
        log_weights: as of `score_rivals`.
        soft_max_temperature: in (0, 1]. It gets no gradient.

    Returns:
        `Rivals` of `[P, 1]`: the vectors are as one, which knows them all.
    """
    queries, vectors, log_weights, soft_max_temperature = (
        ops.cast(tensor, "float32")
        for tensor in (queries, vectors, log_weights, soft_max_temperature)
    )
    both = _log_sum_of_nearest(queries, vectors, log_weights, soft_max_temperature)
    log_sum, greatest = ops.unstack(both, 2)
    return Rivals(log_sum, ops.stop_gradient(greatest))


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _log_sum_of_nearest(
    queries: Tensor, vectors: Tensor, log_weights: Tensor, soft_max_temperature: Tensor
) -> tuple[Tensor, Callable[..., tuple[Tensor, ...]]]:
    """Return `[2, P, 1]`: the log of the sum, and its greatest term's.

    The gradient in a vector's logits is the softmax over candidates times that over
    vectors. Each vector has a matrix [P, Q] of its own: XLA took 1.6 times as long for
    the same with an axis of V in the middle.
    """
    by_vector, transposed = ops.unstack(queries, axis=1), ops.transpose(vectors)
    logits = [ops.matmul(query, transposed) for query in by_vector]
    best = reduce(ops.maximum, logits)
    exponentials = [ops.exp((one - best) / soft_max_temperature) for one in logits]
    # The best vector's is exp(0), so each sum is 1 at least.
    of_vectors = reduce(ops.add, exponentials)
    merged = best + soft_max_temperature * ops.log(of_vectors) + log_weights
    greatest = ops.max(merged, axis=-1, keepdims=True)
    terms = ops.exp(merged - greatest)
    sums = ops.sum(terms, axis=-1, keepdims=True)

    def gradient(*args: Any, upstream: Any = None) -> tuple[Tensor, ...]:
        up = args[0] if upstream is None else upstream
        of_candidates = terms / of_vectors * (up[0] / sums)
        to_logits = [one * of_candidates for one in exponentials]
        to_queries = [ops.matmul(one, vectors) for one in to_logits]
        to_columns = [
            ops.matmul(ops.transpose(query), one)
            for query, one in zip(by_vector, to_logits, strict=True)
        ]
        return (
            ops.stack(to_queries, axis=1),
            ops.transpose(reduce(ops.add, to_columns)),
            ops.zeros_like(log_weights),
            ops.zeros_like(soft_max_temperature),
        )

    return ops.stack([greatest + ops.log(sums), greatest]), gradient


def multi_vector_cross_entropy(
    positive: Tensor, rivals: Tensor, shares: Tensor, *, joint: bool
) -> Tensor:
    """Return each positive's cross-entropy, a mean over the vectors that it is for.

    -Σ_v p(v) · log p(positive, v), where `joint` has one softmax over all pairs of a
    vector and an item, exp s⁺_v / Σ_u (exp s⁺_u + Σ_q w_q · exp s_uq), and without it
    each vector has a softmax of its own, exp s⁺_v / (exp s⁺_v + Σ_q w_q · exp s_vq).
    With one vector both are the usual sampled softmax.

    Args:
        positive: `[P, V]` float, the positives' scores, less the margin, over the
            temperature.
        rivals: `[P, V]` float, `Rivals.log_sum` of their candidates.
        shares: `[P, V]` float, p(v), of sum 1 over V.
        joint: whether vectors compete.

    Returns:
        `[P]` float32 in nats, not reduced.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, section 3.4.
    """
    positive, rivals, shares = (
        ops.cast(tensor, "float32") for tensor in (positive, rivals, shares)
    )
    others = _all_but_the_own(positive, rivals) if joint else rivals
    # log(1 + e^x) keeps the digits of a small loss, which log Σ e^s - s⁺ would cancel.
    return ops.sum(shares * ops.softplus(others - positive), axis=-1)


def mixture_cross_entropy(
    positive: Tensor, rivals: Tensor, shares: Tensor, *, joint: bool
) -> Tensor:
    """Return each positive's cross-entropy, whichever of the vectors explains it.

    -log Σ_v p(v) · p(positive, v), where `joint` has one softmax over all pairs of a
    vector and an item; without it -log Σ_v p(v) · p(positive | v), a mixture of each
    vector's own softmax. With one vector both are the usual sampled softmax.

    Args:
        positive: as of `multi_vector_cross_entropy`.
        rivals: as of `multi_vector_cross_entropy`.
        shares: `[P, V]` float, p(v); or all 1, where a joint softmax is to say by
            itself which vector it is.
        joint: whether vectors compete.

    Returns:
        `[P]` float32 in nats, not reduced.
    """
    positive, rivals, shares = (
        ops.cast(tensor, "float32") for tensor in (positive, rivals, shares)
    )
    others = _all_but_the_own(positive, rivals) if joint else rivals
    logs = ops.log(ops.maximum(shares, SMALLEST_SHARE))
    return -ops.logsumexp(logs - ops.softplus(others - positive), axis=-1)


def _all_but_the_own(positive: Tensor, rivals: Tensor) -> Tensor:
    """Return `[P, V]`, the log of a joint denominator without exp s⁺_v itself."""
    of_vector = positive + ops.softplus(rivals - positive)
    is_own = ops.cast(ops.eye(positive.shape[1]), "bool")
    terms = ops.where(is_own, ops.expand_dims(rivals, 1), ops.expand_dims(of_vector, 1))
    return ops.logsumexp(terms, axis=-1)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of `[P]` or `[P, …]` values over places, weighted by `[P]`."""
    total = ops.tensordot(weights, values, axes=1)
    return total / ops.maximum(ops.sum(weights), SMALLEST_WEIGHT)


def load_balancing(log_posterior: Tensor, weights: Tensor) -> Tensor:
    """Return how far the heads that few items are for lack of an equal share.

    Σ_h (1/H) · relu(log(1/H) - log mean_p p_h).

    Args:
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32.

    Returns:
        A float32 scalar in nats, 0 where all heads have the same share.
    """
    log_weights = ops.log(ops.maximum(weights, SMALLEST_WEIGHT))
    log_weights = ops.where(weights > 0, log_weights, MASKED_LOGIT)
    # The log of the mean, without a p that rounds to 0.
    totals = ops.logsumexp(log_posterior + ops.expand_dims(log_weights, 1), axis=0)
    log_means = totals - ops.log(ops.maximum(ops.sum(weights), SMALLEST_WEIGHT))
    even = -ops.log(ops.cast(log_posterior.shape[1], "float32"))
    return ops.mean(ops.relu(even - log_means)) * ops.cast(
        ops.any(weights > 0), "float32"
    )


def entropy(log_posterior: Tensor, weights: Tensor, *, enough: float) -> Tensor:
    """Return the mean of -log max_h p_h, where more than `enough` counts as 1.

    Args:
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32.
        enough: a probability in (0, 1].

    Returns:
        A float32 scalar in nats.
    """
    # The gradient of a maximum asks which element equals it. XLA may compute it twice,
    # rounded otherwise: then none does, and the gradient is 0/0.
    n_heads = log_posterior.shape[1]
    first = ops.one_hot(ops.argmax(log_posterior, axis=-1), n_heads, dtype="float32")
    greatest = ops.sum(log_posterior * first, axis=-1)
    is_enough = greatest > ops.log(ops.cast(enough, "float32"))
    return weighted_mean(ops.where(is_enough, 0.0, -greatest), weights)


def semantic(
    cosines: Tensor,
    log_posterior: Tensor,
    weights: Tensor,
    *,
    temperature: float | Tensor,
) -> Tensor:
    """Return how well the heads' likeness to a positive tells its category's heads.

    -mean Σ_h p_h · log softmax_h(cos(head_h, positive) / τ).

    Args:
        cosines: `[P, H]` float32, of each head and the positive.
        log_posterior: `[P, H]` float32, log p(h | category of the positive).
        weights: `[P]` float32.
        temperature: τ, above 0.

    Returns:
        A float32 scalar in nats.
    """
    log_likeness = ops.log_softmax(cosines / temperature, axis=-1)
    cross_entropy = -ops.sum(ops.exp(log_posterior) * log_likeness, axis=-1)
    return weighted_mean(cross_entropy, weights)
