"""Options of the softmax over several query vectors."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from two_tower.negatives.queue import QueueParams
from two_tower.params import Factor, Params
from two_tower.training.objectives.base import (
    Objective,
    ObjectiveContext,
    ObjectiveParams,
)
from two_tower.types import Assignment


class LoadBalancing(Params):
    """Auxiliary loss against heads with less than an equal share of the positives."""

    weight: Factor = Field(ge=0, description="beside the main loss; 0: none")


class Entropy(Params):
    """Auxiliary loss against categories that spread over several heads."""

    weight: Factor = Field(ge=0, description="beside the main loss; 0: none")
    confident: float = Field(
        gt=0, le=1, description="probability of a head above which the loss is 0"
    )


class Semantic(Params):
    """Auxiliary loss against heads unlike the positives of their categories."""

    weight: Factor = Field(ge=0, description="beside the main loss; 0: none")
    temperature: Factor | None = Field(
        gt=0, description="of its cosines; null: that of the scores"
    )


class SoftMaxTemperatureParams(Params):
    """Temperature of the soft maximum over vectors, relative to that of the scores."""

    start: float = Field(le=1, description="at the start; 1: sum of exponentials")
    end: Factor = Field(ge=0.001, description="at the end; near 0: maximum")

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.end > self.start:
            raise ValueError(
                f"soft_max_temperature ends at {self.end}, above its start "
                f"{self.start}; it falls, or stays if both are equal"
            )
        return self


class InterestSoftmaxParams(ObjectiveParams):
    """Softmax of each positive over the query vectors it is assigned to."""

    is_softmax: ClassVar[bool] = True

    joint: bool = Field(
        description="one softmax over all vectors and items; else one for each vector"
    )
    assignment: Assignment = Field(
        description="vectors that a positive trains; category: each of its category's; "
        "mixture: any of these; any: any vector; nearest: in the end the nearest one"
    )
    soft_max_temperature: SoftMaxTemperatureParams
    margin: Factor = Field(ge=0, description="subtracted from the positive's cosine")
    load_balancing: LoadBalancing
    entropy: Entropy
    semantic: Semantic

    @property
    def trains_category_router(self) -> bool:
        """Whether an auxiliary loss trains the router of categories."""
        weights = self.load_balancing.weight, self.entropy.weight, self.semantic.weight
        return any(weights)

    @model_validator(mode="after")
    def _nearest_is_joint(self) -> Self:
        if self.assignment == "nearest" and not self.joint:
            raise ValueError(
                "assignment is 'nearest' but joint is false; the nearest of all "
                "vectors makes one softmax: set joint to true, or assignment to any, "
                "mixture or category"
            )
        return self

    def build(self, context: ObjectiveContext) -> Objective:
        from two_tower.training.objectives.multi_interest import (
            AuxiliaryWeights,
            InterestSoftmax,
            SoftMaxTemperature,
        )

        negatives = context.negatives
        temperature = self.soft_max_temperature
        return InterestSoftmax(
            joint=self.joint,
            assignment=self.assignment,
            soft_max_temperature=SoftMaxTemperature(temperature.start, temperature.end),
            margin=self.margin,
            hard=negatives.hard if isinstance(negatives, QueueParams) else 0,
            auxiliary=AuxiliaryWeights(
                load_balancing=self.load_balancing.weight,
                entropy=self.entropy.weight,
                semantic=self.semantic.weight,
            ),
            confident=self.entropy.confident,
            semantic_temperature=self.semantic.temperature,
        )
