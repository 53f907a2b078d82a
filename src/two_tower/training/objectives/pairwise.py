"""Losses of each positive and its negatives, a pair at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pydantic import Field

from two_tower.params import Factor
from two_tower.training.objectives.base import (
    Objective,
    ObjectiveContext,
    ObjectiveParams,
    TensorBatch,
)
from two_tower.types import Tensor

if TYPE_CHECKING:
    from two_tower.towers.two_tower import TwoTower

PairwiseLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From `[P]` and `[P, n]` logits and `[P, n]` weights to `[P]` losses."""


class SigmoidCrossEntropyParams(ObjectiveParams):
    """Binary cross-entropy of positives and sampled negatives."""

    def build(self, context: ObjectiveContext) -> Objective:
        from two_tower.losses.pointwise import sigmoid_cross_entropy

        del context
        return Pairwise(sigmoid_cross_entropy)


class MaxMarginParams(ObjectiveParams):
    """Hinge loss of each positive against its negatives."""

    margin: Factor = Field(gt=0, description="required lead of the positive")

    def build(self, context: ObjectiveContext) -> Objective:
        from two_tower.losses.pointwise import max_margin

        del context
        return Pairwise(partial(max_margin, margin=self.margin))


@dataclass(frozen=True)
class Pairwise(Objective):
    """A loss of each positive and its negatives, accidental hits masked.

    Attributes:
        loss: of the logits and the negatives' weights; 0 masks a negative.
    """

    loss: PairwiseLoss

    def __call__(
        self,
        towers: "TwoTower",
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        from keras import ops

        from two_tower.training.objectives.scoring import score_pairs

        scores = score_pairs(towers, batch, temperature=temperature, training=training)
        return ops.sum(self.loss(*scores) * batch["weights"]), {}
