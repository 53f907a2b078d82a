"""Losses of a positive and each of its negatives."""

from functools import partial
from typing import Any

from pydantic import Field

from two_tower.training.objectives.base import ObjectiveContext, ObjectiveParams


class SigmoidCrossEntropyParams(ObjectiveParams):
    """Binary cross-entropy of positives and sampled negatives."""

    def build(self, context: ObjectiveContext) -> Any:
        from two_tower.losses.pointwise import sigmoid_cross_entropy
        from two_tower.training.objectives.single_vector import pairwise

        del context
        return partial(pairwise, loss=sigmoid_cross_entropy)


class MaxMarginParams(ObjectiveParams):
    """Hinge loss of each positive against its negatives."""

    margin: float = Field(gt=0, description="lead that the positive is to have")

    def build(self, context: ObjectiveContext) -> Any:
        from two_tower.losses.pointwise import max_margin
        from two_tower.training.objectives.single_vector import pairwise

        del context
        return partial(pairwise, loss=partial(max_margin, margin=self.margin))
