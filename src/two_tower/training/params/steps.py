"""How training goes: batches, optimiser, schedule, validation."""

from typing import Self

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import PaddedBatches, Params
from two_tower.types import Clip, OptimizerKind


class Optimizer(Params):
    """How weights follow gradients."""

    kind: OptimizerKind
    learning_rate: float = Field(gt=0, description="the highest rate")
    beta_2: float = Field(gt=0, lt=1, description="of adam and adamw")
    epsilon: float = Field(gt=0, description="of all but sgd")
    initial_accumulator: float = Field(
        gt=0, description="of adagrad, what the sums of squares begin with"
    )
    momentum: float = Field(ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(ge=0, description="of adamw")
    clip_norm: float | None = Field(gt=0, description="largest gradient norm; or null")
    clip: Clip = Field(
        description="the norm of all gradients together, or of each weight's own"
    )

    @model_validator(mode="after")
    def _options_are_used(self) -> Self:
        if self.weight_decay and self.kind != "adamw":
            raise ValueError(
                f"optimizer.weight_decay is {self.weight_decay} but kind is "
                f"{self.kind!r}; only adamw decays weights. Set it to 0, or use adamw."
            )
        if self.momentum and self.kind != "sgd":
            raise ValueError(
                f"optimizer.momentum is {self.momentum} but kind is {self.kind!r}; "
                "it is of sgd alone. Set it to 0, or use sgd."
            )
        if self.clip == "each" and self.clip_norm is None:
            raise ValueError(
                "optimizer.clip is 'each' but clip_norm is null, so nothing is cut; "
                "give a clip_norm, or set clip to global"
            )
        return self


class Cosine(Params):
    """A rise in a line, then a fall along half a cosine."""

    warmup_steps: int = Field(ge=0, description="of the rise, at most a third of all")
    final_share: float = Field(ge=0, le=1, description="last rate over the highest")


class Exponential(Params):
    """The same factor for each epoch."""

    per_epoch: float = Field(gt=0, le=1, description="factor of the rate")
    staircase: bool = Field(description="at the end of epochs alone, not step by step")


class Schedules(Params):
    """How the learning rate may change over all training."""

    cosine: Cosine
    exponential: Exponential


class MovingAverage(Params):
    """A mean of the weights after each step that forgets the early ones."""

    momentum: float = Field(gt=0, lt=1, description="what a step leaves of it")


class LateMean(Params):
    """The mean of the weights after each step of the last part of training."""

    from_share: float = Field(ge=0, lt=1, description="of all steps, where it begins")


class Averages(Params):
    """How weights may be averaged over steps."""

    ema: MovingAverage
    swa: LateMean


class BatchParams(PaddedBatches):
    """What a training step takes; the widest bucket holds the longest window."""

    pairs: int = Field(
        ge=1, description="queries of a batch, where each is a row of its own"
    )
    chunk: int = Field(ge=1, description="queries whose logits exist at one time")


class ValidationParams(Params):
    """Full ranking of validation positives while training."""

    every: int = Field(ge=1, description="epochs between validations")
    cutoffs: list[PositiveInt] = Field(min_length=1, description="k of hr@k and ndcg@k")
    monitor: str = Field(description="figure that decides which epoch is best")
    patience: int = Field(ge=1, description="validations without a better one")
    sample_users: PositiveInt | None = Field(
        description="users that are ranked, drawn once; null: all"
    )
    slots: int = Field(ge=1, description="items in a batch, padding included")
    item_block: int = Field(ge=1, description="items scored at a time")

    @model_validator(mode="after")
    def _monitor_is_measured(self) -> Self:
        measured = ["mrr"] + [
            f"{name}@{k}" for k in self.cutoffs for name in ("hr", "recall", "ndcg")
        ]
        if self.monitor not in measured:
            raise ValueError(
                f"validation.monitor is {self.monitor!r}; with cutoffs {self.cutoffs} "
                f"choose one of {', '.join(measured)}"
            )
        return self
