"""What positives are told apart from, and by which loss."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import Params
from two_tower.types import Credit

ObjectiveKind: TypeAlias = Literal[
    "softmax", "sigmoid_cross_entropy", "max_margin", "gbce", "interest_softmax"
]
SourceKind: TypeAlias = Literal[
    "catalogue",
    "in_batch",
    "uniform",
    "popular",
    "unconsumed",
    "low_rated",
    "queue",
    "mixed",
]
LogQKind: TypeAlias = Literal["none", "exact", "streaming"]


class Softmax(Params):
    """Cross-entropy of each positive against all its candidates at once."""

    smoothing: float = Field(
        ge=0, lt=1, description="share of the target that all candidates have alike"
    )


class MaxMargin(Params):
    """Hinge loss of each positive against its negatives."""

    margin: float = Field(gt=0, description="by which the positive is to lead")


class Gbce(Params):
    """Generalised binary cross-entropy."""

    calibration: float = Field(
        ge=0, le=1, description="0: plain cross-entropy; 1: calibrated as a softmax"
    )


class DeadHeads(Params):
    """Loss of heads that are for less than their share of the positives."""

    weight: float = Field(ge=0, description="beside the main loss; 0: none")


class Sharpness(Params):
    """Loss of categories that are for several heads."""

    weight: float = Field(ge=0, description="beside the main loss; 0: none")
    enough: float = Field(
        gt=0, le=1, description="probability of a head that leaves nothing to gain"
    )


class Semantic(Params):
    """Loss of heads that are unlike the positives of their categories."""

    weight: float = Field(ge=0, description="beside the main loss; 0: none")
    temperature: float | None = Field(
        gt=0, description="of its cosines; null: that of the scores"
    )


class Softness(Params):
    """How far vectors that are not the nearest count, of the temperature."""

    start: float = Field(le=1, description="as training begins; 1: as of `any`")
    end: float = Field(ge=0.001, description="as it ends; near 0: not at all")

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.end > self.start:
            raise ValueError(
                f"softness ends at {self.end}, above its start {self.start}; it falls, "
                "or stays if both are the same"
            )
        return self


class InterestSoftmax(Params):
    """Softmax of each positive for the vectors that it is of."""

    joint: bool = Field(
        description="one softmax over all vectors and items; else one for each vector"
    )
    credit: Credit = Field(
        description="which vectors a positive is for: each of its category's, "
        "whichever of these explains it, whichever of all, or by and by the nearest"
    )
    softness: Softness
    margin: float = Field(ge=0, description="by which the positive's cosine is lowered")
    dead_heads: DeadHeads
    sharpness: Sharpness
    semantic: Semantic

    @model_validator(mode="after")
    def _nearest_is_joint(self) -> Self:
        if self.credit == "nearest" and not self.joint:
            raise ValueError(
                "credit is 'nearest' but joint false; the nearest of all vectors makes "
                "one softmax: set joint to true, or credit to any, mixture or category"
            )
        return self


class Objectives(Params):
    """Options of the objectives that have any."""

    softmax: Softmax
    max_margin: MaxMargin
    gbce: Gbce
    interest_softmax: InterestSoftmax


class InBatch(Params):
    """The batch's other positives."""

    block: int = Field(
        ge=1, description="the number of distinct candidates is a multiple of it"
    )


class Uniform(Params):
    """Items drawn with equal probability: shared by a batch, or each query's own."""

    count: int = Field(ge=0, description="draws that a batch shares; 0: none")
    per_positive: int = Field(ge=0, description="draws of each query's own; 0: none")

    @property
    def draws(self) -> int:
        """How many are drawn, by the batch or by each query."""
        return self.count or self.per_positive

    @model_validator(mode="after")
    def _shared_or_own(self) -> Self:
        if bool(self.count) == bool(self.per_positive):
            raise ValueError(
                f"count is {self.count} and per_positive {self.per_positive}; "
                "give one of them and set the other to 0"
            )
        return self


class Popular(Uniform):
    """Items drawn by how often they are training positives."""

    exponent: float = Field(
        ge=0, description="of the counts; 0 is uniform, 1 by popularity"
    )


class Unconsumed(Params):
    """Items that the user has not met in training, drawn uniformly."""

    per_positive: PositiveInt = Field(description="draws of each query's own")


class LowRated(Params):
    """Items that the user has rated low; see `sequencing.explicit_negatives`."""

    per_positive: PositiveInt = Field(description="draws of each query's own")
    uniform: int = Field(
        ge=0, description="more draws of each query's own, from all items"
    )


class Queue(Params):
    """The positives of the latest batches."""

    size: PositiveInt = Field(description="positives that are kept")
    hard: int = Field(
        ge=0,
        description="the oldest so many count only for queries whose positive is of "
        "the same head; of objective interest_softmax",
    )
    unique: bool = Field(
        description="whether the others count once, however often they are kept"
    )


class Mixed(Params):
    """The batch's positives and items drawn uniformly."""

    count: PositiveInt = Field(description="uniform draws that a batch shares")
    block: int = Field(
        ge=1, description="the number of distinct candidates is a multiple of it"
    )


class Sources(Params):
    """Where negatives may come from, each with parameters of its own."""

    in_batch: InBatch
    uniform: Uniform
    popular: Popular
    unconsumed: Unconsumed
    low_rated: LowRated
    queue: Queue
    mixed: Mixed


class Masks(Params):
    """Which candidates are no negatives of a query."""

    hits: bool = Field(description="those equal to the query's own item")
    consumed: bool = Field(description="all that its user has met in training")


class Streaming(Params):
    """The estimator of how often items come, from the stream of batches."""

    buckets: PositiveInt = Field(
        description="places that items are hashed to, several times their number"
    )
    hashes: PositiveInt = Field(description="hash functions, against collisions")
    memory: float = Field(
        ge=0, le=1, description="weight of the newest interval; 0 counts plainly"
    )


class SelfSupervision(Params):
    """Agreement of two views of an item from which features were left out."""

    pattern: Literal["none", "rfm", "rfm-complementary", "cfm"] = Field(
        description="which features a view keeps: random, complementary, correlated"
    )
    alpha: float = Field(gt=0, description="weight beside the main loss")
    items: int = Field(ge=2, description="items drawn for it in a step")
