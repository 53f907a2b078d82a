"""Softmax cross-entropy of users with several vectors against shared candidates.

A query has V vectors; all of them see the Q candidates of the batch.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

from keras import ops

from two_tower.types import Tensor

# A vector's probability that rounds to 0 still has a logarithm.
SMALLEST_PROBABILITY = 1e-30


class LogPartition(NamedTuple):
    """Negatives' part of a softmax's denominator, for each vector of a query.

    Attributes:
        log_sum: `[P, V]` float32, log Σ_q exp(logit).
        greatest: `[P, V]` float32, the greatest logit; it has no gradient.
    """

    log_sum: Tensor
    greatest: Tensor


def log_partition(queries: Tensor, vectors: Tensor, bias: Tensor) -> LogPartition:
    """Return the log-partition of each vector, with one `[P, V, Q]` tensor.

    Args:
        queries: `[P, V, D]` float, over the temperature.
        vectors: `[Q, D]` float, of the candidates.
        bias: `[P, Q]` float, or `[1, Q]` where all queries share it: log weight less
            log q, `MASKED_LOGIT` for masked candidates. It gets no gradient.
    """
    queries, vectors, bias = _as_float32(queries, vectors, bias)
    log_sum, greatest = ops.unstack(_log_sum(queries, vectors, bias), 2)
    return LogPartition(log_sum, ops.stop_gradient(greatest))


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _log_sum(
    queries: Tensor, vectors: Tensor, bias: Tensor
) -> tuple[Tensor, Callable[..., tuple[Tensor, ...]]]:
    """Return `[2, P, V]`: the log of the sum, and the greatest logit.

    The gradient of a logit is its softmax. Each query has its own denominator, which
    scales rows before and after the products; only the exponentials are kept of size
    [P, V, Q].
    """
    n_queries, n_vectors, dimension = ops.shape(queries)
    flat = ops.reshape(queries, (-1, dimension))
    scores = ops.matmul(flat, ops.transpose(vectors))
    logits = ops.reshape(scores, (n_queries, n_vectors, -1))
    logits = logits + ops.expand_dims(bias, 1)
    greatest = ops.max(logits, axis=-1, keepdims=True)
    exponentials = ops.exp(logits - greatest)
    # The greatest term is exp(0), so the sum is 1 at least.
    sums = ops.sum(exponentials, axis=-1)
    greatest = ops.squeeze(greatest, -1)

    def gradient(*args: Any, upstream: Any = None) -> tuple[Tensor, ...]:
        up = args[0] if upstream is None else upstream
        per_unit = ops.reshape(up[0] / sums, (-1, 1))
        terms = ops.reshape(exponentials, (n_queries * n_vectors, -1))
        to_queries = ops.matmul(terms, vectors) * per_unit
        to_vectors = ops.matmul(ops.transpose(terms), flat * per_unit)
        return (
            ops.reshape(to_queries, (n_queries, n_vectors, dimension)),
            to_vectors,
            ops.zeros_like(bias),
        )

    return ops.stack([greatest + ops.log(sums), greatest]), gradient


def soft_maximum(logits: Tensor, soft_max_temperature: float | Tensor) -> Tensor:
    """Return s · log Σ_v exp(logit_v / s), the soft maximum over V vectors.

    Near s = 0 it is the greatest logit. At s = 1 it is the sum that a softmax over all
    pairs of vector and item has for an item. In between, other vectors than the
    nearest still contribute.

    Args:
        logits: `[P, V]` float.
        soft_max_temperature: s, in (0, 1].

    Returns:
        `[P, 1]` float32.
    """
    logits = ops.cast(logits, "float32")
    # Whatever is taken out and put back has no part in the gradient.
    greatest = ops.stop_gradient(ops.max(logits, axis=1, keepdims=True))
    exponentials = ops.exp((logits - greatest) / soft_max_temperature)
    return greatest + soft_max_temperature * ops.log(
        ops.sum(exponentials, axis=1, keepdims=True)
    )


def nearest_log_partition(
    queries: Tensor,
    vectors: Tensor,
    bias: Tensor,
    soft_max_temperature: float | Tensor,
) -> LogPartition:
    """Return the log-partition of candidates scored by their `soft_maximum`.

    Args:
        queries: `[P, V, D]` float, over the temperature.
        vectors: `[Q, D]` float, of the candidates.
        bias: `[P, Q]` float, as in `log_partition`.
        soft_max_temperature: in (0, 1]. It gets no gradient.

    Returns:
        `LogPartition` of `[P, 1]`: the vectors of a query act as one.
    """
    tensors = _as_float32(queries, vectors, bias, soft_max_temperature)
    log_sum, greatest = ops.unstack(_nearest_log_sum(*tensors), 2)
    return LogPartition(log_sum, ops.stop_gradient(greatest))


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _nearest_log_sum(
    queries: Tensor, vectors: Tensor, bias: Tensor, soft_max_temperature: Tensor
) -> tuple[Tensor, Callable[..., tuple[Tensor, ...]]]:
    """Return `[2, P, 1]`: the log of the sum, and the greatest logit.

    The gradient in a vector's logits is the softmax over candidates times that over
    vectors. Each vector has its own [P, Q] matrix: XLA took 1.6 times as long with an
    axis of V in the middle.
    """
    by_vector, transposed = ops.unstack(queries, axis=1), ops.transpose(vectors)
    logits = [ops.matmul(query, transposed) for query in by_vector]
    best = reduce(ops.maximum, logits)
    exponentials = [ops.exp((one - best) / soft_max_temperature) for one in logits]
    # The best vector's is exp(0), so each sum is 1 at least.
    of_vectors = reduce(ops.add, exponentials)
    merged = best + soft_max_temperature * ops.log(of_vectors) + bias
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
            ops.zeros_like(bias),
            ops.zeros_like(soft_max_temperature),
        )

    return ops.stack([greatest + ops.log(sums), greatest]), gradient


def multi_vector_cross_entropy(
    positive: Tensor, negatives: Tensor, probabilities: Tensor, *, joint: bool
) -> Tensor:
    """Return the mean cross-entropy of the vectors that a positive is assigned to.

    -Σ_v p(v) · log p(positive, v). With `joint` one softmax is over all pairs of
    vector and item, exp s⁺_v / Σ_u (exp s⁺_u + Σ_q exp s_uq). Without it each vector
    has its own softmax, exp s⁺_v / (exp s⁺_v + Σ_q exp s_vq). With one vector both are
    the sampled softmax.

    Args:
        positive: `[P, V]` float, logits of the positives.
        negatives: `[P, V]` float, `LogPartition.log_sum` of their candidates.
        probabilities: `[P, V]` float, p(v), of sum 1 over V.
        joint: whether vectors compete.

    Returns:
        `[P]` float32 in nats, not reduced.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, section 3.4.
    """
    positive, negatives, probabilities = _as_float32(positive, negatives, probabilities)
    others = _joint_others(positive, negatives) if joint else negatives
    # log(1 + e^x) keeps the digits of a small loss, which log Σ e^s - s⁺ would cancel.
    return ops.sum(probabilities * ops.softplus(others - positive), axis=-1)


def mixture_cross_entropy(
    positive: Tensor, negatives: Tensor, probabilities: Tensor, *, joint: bool
) -> Tensor:
    """Return the cross-entropy of a mixture of a query's vectors.

    -log Σ_v p(v) · p(positive, v) with `joint`, one softmax over all pairs of vector
    and item; -log Σ_v p(v) · p(positive | v) without it, a mixture of each vector's own
    softmax. With one vector both are the sampled softmax.

    Args:
        positive: `[P, V]` float, logits of the positives.
        negatives: `[P, V]` float, `LogPartition.log_sum` of their candidates.
        probabilities: `[P, V]` float, p(v); or all 1, where a joint softmax decides by
            itself which vector it is.
        joint: whether vectors compete.

    Returns:
        `[P]` float32 in nats, not reduced.
    """
    positive, negatives, probabilities = _as_float32(positive, negatives, probabilities)
    others = _joint_others(positive, negatives) if joint else negatives
    logs = ops.log(ops.maximum(probabilities, SMALLEST_PROBABILITY))
    return -ops.logsumexp(logs - ops.softplus(others - positive), axis=-1)


def _joint_others(positive: Tensor, negatives: Tensor) -> Tensor:
    """Return `[P, V]`, the log of a joint denominator without exp s⁺_v itself."""
    of_vector = positive + ops.softplus(negatives - positive)
    is_own = ops.cast(ops.eye(positive.shape[1]), "bool")
    terms = ops.where(
        is_own, ops.expand_dims(negatives, 1), ops.expand_dims(of_vector, 1)
    )
    return ops.logsumexp(terms, axis=-1)


def _as_float32(*tensors: Tensor | float) -> tuple[Tensor, ...]:
    return tuple(ops.cast(tensor, "float32") for tensor in tensors)
