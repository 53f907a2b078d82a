"""Objective: Bayesian personalised ranking, a pairwise logistic loss."""

from two_tower.training.objectives.base import (
    Objective,
    ObjectiveContext,
    ObjectiveParams,
)
from two_tower.training.objectives.pairwise import Pairwise
from two_tower.types import Tensor


class BprParams(ObjectiveParams):
    """Pairwise logistic loss of each positive and its negatives."""

    def build(self, context: ObjectiveContext) -> Objective:
        del context
        return Pairwise(bpr)


def bpr(positive: Tensor, negative: Tensor, negative_weights: Tensor) -> Tensor:
    """Return the mean logistic loss of each positive's lead over its negatives.

    -Σ_j w_j · log sigmoid(s⁺ - s_j) / Σ_j w_j; 0 without negatives.

    Args:
        positive: `[P]` float32, logits of the positives.
        negative: `[P, n]` float32, logits of their negatives.
        negative_weights: `[P, n]` float32, 0 if masked.

    Returns:
        `[P]` float32 in nats, not reduced.

    References:
        Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback,
        UAI 2009.
    """
    from keras import ops

    losses = ops.softplus(negative - ops.expand_dims(positive, 1))
    n_negatives = ops.sum(negative_weights, axis=-1)
    total = ops.sum(negative_weights * losses, axis=-1)
    return total / ops.where(n_negatives > 0, n_negatives, 1.0)
