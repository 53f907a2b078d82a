"""The objectives that `training.objective` offers."""

from two_tower.params import OneOf
from two_tower.training.objectives.base import ObjectiveParams
from two_tower.training.objectives.interest_softmax import InterestSoftmaxParams
from two_tower.training.objectives.pairwise import (
    MaxMarginParams,
    SigmoidCrossEntropyParams,
)
from two_tower.training.objectives.softmax import SoftmaxParams


class ObjectiveChoice(OneOf[ObjectiveParams]):
    """What training minimises."""

    softmax: SoftmaxParams = SoftmaxParams()
    sigmoid_cross_entropy: SigmoidCrossEntropyParams = SigmoidCrossEntropyParams()
    max_margin: MaxMarginParams
    interest_softmax: InterestSoftmaxParams
