"""Parameters of training: what each means, and what is allowed."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from two_tower.params import PaddedBatches, Params

# NumPy takes 32 bits; layers of a tower add a little to it.
MAX_SEED = 2**31 - 1


class MeanTower(Params):
    """The user tower that averages a history."""

    hidden_units: list[PositiveInt] = Field(
        min_length=2, description="widths of the ReLU layers after the mean"
    )
    dropout: float = Field(ge=0, lt=1)


class TransformerTower(Params):
    """The user tower that reads a history with causal self-attention."""

    n_blocks: int = Field(ge=1)
    n_heads: int = Field(ge=1, description="dimension is a multiple of it")
    dropout: float = Field(ge=0, lt=1)


class UserTowers(Params):
    """The user towers to choose from, each with parameters of its own."""

    mean: MeanTower
    transformer: TransformerTower


class ItemTowerParams(Params):
    """What an item's vector is made of."""

    use_id: bool = Field(description="an embedding of the item's own")
    use_features: bool = Field(description="embeddings of the declared features")
    features: dict[str, bool] = Field(
        description="feature → false leaves it out; those not named are in"
    )
    id_dropout: float = Field(
        ge=0, lt=1, description="share of items without their id in a step"
    )
    scale: float = Field(gt=0, description="standard deviation of initial embeddings")

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if not (self.use_id or self.use_features):
            raise ValueError(
                "item_tower.use_id and use_features are both false, so all items "
                "would be alike; set one of them to true"
            )
        if self.id_dropout and not (self.use_id and self.use_features):
            raise ValueError(
                f"item_tower.id_dropout is {self.id_dropout}, which needs both use_id "
                "and use_features: an item without its id must have its content"
            )
        return self


class Softmax(Params):
    """Softmax over the whole catalogue."""

    temperature: float = Field(gt=0, description="divides the cosines")


class InBatchSoftmax(Params):
    """Softmax over the positives of the batch."""

    temperature: float = Field(gt=0, description="divides the cosines")
    log_q: bool = Field(description="correct for popular items being there more often")
    mask_hits: bool = Field(description="leave out repeats of the query's own item")


class Objectives(Params):
    """The objectives to choose from, each with parameters of its own."""

    softmax: Softmax
    in_batch_softmax: InBatchSoftmax


class Optimizer(Params):
    """How weights follow gradients."""

    kind: Literal["adam", "adamw", "adagrad"]
    learning_rate: float = Field(gt=0, description="the highest rate")
    beta_2: float = Field(gt=0, lt=1, description="of adam and adamw")
    epsilon: float = Field(gt=0)
    weight_decay: float = Field(ge=0, description="of adamw")
    clip_norm: float | None = Field(gt=0, description="global gradient norm; or null")

    @model_validator(mode="after")
    def _decay_is_used(self) -> Self:
        if self.weight_decay and self.kind != "adamw":
            raise ValueError(
                f"optimizer.weight_decay is {self.weight_decay} but kind is "
                f"{self.kind!r}; only adamw decays weights. Set it to 0, or use adamw."
            )
        return self


class Schedule(Params):
    """How the learning rate changes over all training."""

    kind: Literal["constant", "cosine"]
    warmup_steps: int = Field(
        ge=0, description="steps of the rise before a cosine, at most a third of all"
    )
    final_share: float = Field(ge=0, le=1, description="last rate over the highest")


class Batches(PaddedBatches):
    """How sequences become batches; the widest bucket holds the longest window."""

    chunk: int = Field(ge=1, description="queries whose logits exist at one time")


class ValidationParams(Params):
    """Full ranking of validation positives while training."""

    every: int = Field(ge=1, description="epochs between validations")
    cutoffs: list[PositiveInt] = Field(min_length=1, description="k of hr@k and ndcg@k")
    monitor: str = Field(description="figure that decides which epoch is best")
    patience: int = Field(ge=1, description="validations without a better one")
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


class Training(Params):
    """All parameters of training."""

    backend: Literal["tensorflow", "jax"]
    device: Literal["auto", "cpu", "gpu"]
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        description="of the towers' arithmetic; weights and losses stay float32"
    )
    jit_compile: bool = Field(description="compile the training step with XLA")
    seed: int = Field(ge=0, le=MAX_SEED)
    epochs: int = Field(ge=1, description="the most; early stopping may end before")
    dimension: int = Field(ge=1, description="D of every vector")
    tower: Literal["mean", "transformer"] = Field(description="which user tower")
    towers: UserTowers
    item_tower: ItemTowerParams
    objective: Literal["softmax", "in_batch_softmax"]
    objectives: Objectives
    optimizer: Optimizer
    schedule: Schedule
    batches: Batches
    validation: ValidationParams

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> Self:
        n_heads = self.towers.transformer.n_heads
        if self.tower == "transformer" and self.dimension % n_heads:
            raise ValueError(
                f"dimension {self.dimension} is not a multiple of "
                f"towers.transformer.n_heads {n_heads}"
            )
        return self
