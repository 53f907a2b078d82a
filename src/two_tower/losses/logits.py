"""The scoring step: how scores become the logits that every loss takes.

In this order: the temperature divides the scores, log q is subtracted, the log of the
weight is added, and some candidates are masked.
"""

from keras import ops

from two_tower.types import MASKED_LOGIT, Tensor

# Keeps the logarithm of a weight of 0, and a division by a sum of weights, finite.
SMALLEST_WEIGHT = 1e-30


def scale(scores: Tensor, temperature: float | Tensor) -> Tensor:
    """Return scores, or the query vectors they are made of, over the temperature.

    Args:
        scores: float of any shape.
        temperature: above 0, a number or a float scalar.

    Returns:
        The same shape, float32.
    """
    return ops.cast(scores, "float32") / temperature


def correct(logits: Tensor, log_q: Tensor) -> Tensor:
    """Subtract log q, so that items sampled often are not pushed down for it.

    Args:
        logits: scaled scores of any shape.
        log_q: broadcasts to `logits`: natural log of the expected number of times that
            an item is sampled; 0 without correction.

    References:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations, RecSys 2019, section 3.
    """
    return logits - log_q


def log_weights(weights: Tensor) -> Tensor:
    """Return log weight, `MASKED_LOGIT` for weight 0.

    Added to a logit, it makes a candidate count w times: exp(s + log w) = w · exp(s).

    Args:
        weights: float32 of any shape, 0 or more.
    """
    logs = ops.log(ops.maximum(weights, SMALLEST_WEIGHT))
    return ops.where(weights > 0, logs, MASKED_LOGIT)


def candidate_bias(weights: Tensor, log_q: Tensor) -> Tensor:
    """Return the bias of candidates, added to their scaled scores: log weight - log q.

    Args:
        weights: float32 of any shape, negatives that a candidate stands for; 0 masks.
        log_q: same shape, float32, as in `correct`.

    Returns:
        The same shape, float32.
    """
    return correct(log_weights(weights), log_q)


def find_masked(
    labels: Tensor, ids: Tensor, excluded: Tensor | None, *, mask_hits: bool
) -> Tensor | None:
    """Return which candidates of a query are masked.

    Accidental hits, candidates that are the query's own positive, are masked with
    `mask_hits`. Without it the positive is one of the candidates and is never masked.

    Args:
        labels: `[P]` int32 item indices of the positives.
        ids: `[Q]`, `[1, n]` or `[P, n]` int32 item indices of the candidates.
        excluded: `[P, Q]` bool, other candidates to mask; None for none.
        mask_hits: whether accidental hits are masked.

    Returns:
        `[P, Q]` bool; None if nothing is masked.
    """
    if excluded is None and not mask_hits:
        return None
    is_hit = ops.equal(ops.expand_dims(labels, 1), ids)
    if excluded is None:
        return is_hit
    if mask_hits:
        return ops.logical_or(is_hit, excluded)
    return ops.logical_and(excluded, ops.logical_not(is_hit))


def mask(logits: Tensor, masked: Tensor | None) -> Tensor:
    """Return logits, `MASKED_LOGIT` where `masked` (bool, same shape) says so."""
    return logits if masked is None else ops.where(masked, MASKED_LOGIT, logits)


def candidate_logits(scaled: Tensor, bias: Tensor, masked: Tensor | None) -> Tensor:
    """Return the logits of candidates.

    Args:
        scaled: `[P, Q]` float32, scores over the temperature.
        bias: `[Q]` or `[P, Q]` float32, from `candidate_bias`.
        masked: `[P, Q]` bool, from `find_masked`.
    """
    return mask(scaled + bias, masked)
