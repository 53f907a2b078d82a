"""Losses of a positive and its own sampled negatives.

All take logits, already divided by the temperature, and return one loss per positive.
A negative of weight 0 is not there; weight w counts as w negatives.
"""

from keras import ops

from two_tower.types import Tensor


def sigmoid_cross_entropy(
    positive: Tensor, negative: Tensor, negative_weights: Tensor
) -> Tensor:
    """Tell by a yes or no whether each item was chosen.

    ( -log sigmoid(s⁺) - Σ_j w_j · log(1 - sigmoid(s_j)) ) / (1 + Σ_j w_j): the mean
    over a positive's labels, 1 of its own and 0 of its negatives.

    Args:
        positive: `[P]` float, logits of the positives.
        negative: `[P, n]` float, logits of their negatives.
        negative_weights: `[P, n]` float, 0 or more.

    Returns:
        `[P]` float32 in nats, not reduced.
    """
    return gbce(
        positive, negative, negative_weights, sampling_rate=1.0, calibration=0.0
    )


def gbce(
    positive: Tensor,
    negative: Tensor,
    negative_weights: Tensor,
    *,
    sampling_rate: float | Tensor,
    calibration: float,
) -> Tensor:
    """Tell chosen from sampled, undoing the confidence that few negatives give.

    ( -b · log sigmoid(s⁺) - Σ_j w_j · log(1 - sigmoid(s_j)) ) / (1 + Σ_j w_j), where
    the power of the positive's probability is b = a · (t · (1 - 1/a) + 1/a), which is
    1 - t · (1 - a).

    Args:
        positive: `[P]` float, logits of the positives.
        negative: `[P, n]` float, logits of their negatives.
        negative_weights: `[P, n]` float, 0 or more.
        sampling_rate: a in [0, 1], a number or `[P]` float: a positive's negatives as
            a share of the items that are not it.
        calibration: t in [0, 1]; 0 is `sigmoid_cross_entropy`, 1 undoes all of it.

    Returns:
        `[P]` float32 in nats, not reduced.

    References:
        Petrov & Macdonald, gSASRec: Reducing Overconfidence in Sequential
        Recommendation Trained with Negative Sampling, RecSys 2023.
    """
    positive, negative, weights = _as_float32(positive, negative, negative_weights)
    power = 1 - calibration * (1 - sampling_rate)
    # softplus(s) is -log(1 - sigmoid(s)), without a sigmoid that rounds to 1.
    of_negatives = ops.sum(weights * ops.softplus(negative), axis=-1)
    total = power * ops.softplus(-positive) + of_negatives
    return total / (1 + ops.sum(weights, axis=-1))


def max_margin(
    positive: Tensor, negative: Tensor, negative_weights: Tensor, *, margin: float
) -> Tensor:
    """Ask that the positive lead each negative by a margin.

    Σ_j w_j · relu(margin + s_j - s⁺) / Σ_j w_j; 0 without negatives.

    Args:
        positive: `[P]` float, scores of the positives.
        negative: `[P, n]` float, scores of their negatives.
        negative_weights: `[P, n]` float, 0 or more.
        margin: the lead asked for, in units of the scores; above 0.

    Returns:
        `[P]` float32, not reduced.
    """
    positive, negative, weights = _as_float32(positive, negative, negative_weights)
    lacking = ops.relu(margin + negative - ops.expand_dims(positive, 1))
    n_negatives = ops.sum(weights, axis=-1)
    total = ops.sum(weights * lacking, axis=-1)
    return total / ops.where(n_negatives > 0, n_negatives, 1.0)


def _as_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(ops.cast(tensor, "float32") for tensor in tensors)
