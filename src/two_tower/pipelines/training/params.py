"""Parameters of training: what each means, and what is allowed."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, PositiveInt, model_validator

from two_tower.fitting.sequence_feed import count_places
from two_tower.params import PaddedBatches, Params

# NumPy takes 32 bits; layers of a tower add a little to it.
MAX_SEED = 2**31 - 1

HistoryKind: TypeAlias = Literal["none", "mean", "transformer"]
ObjectiveKind: TypeAlias = Literal[
    "softmax", "sigmoid_cross_entropy", "max_margin", "gbce"
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

# Sources that may give each query candidates of its own.
OF_EACH_QUERY = ("uniform", "popular", "unconsumed", "low_rated")
# Sources in which queries find their own items among the candidates.
HOLD_POSITIVES = ("catalogue", "in_batch", "queue", "mixed")
# Sources in which a popular item turns up as often as it is a positive.
OF_POSITIVES = ("in_batch", "queue", "mixed")


class Mlp(Params):
    """Dense layers: ReLU and dropout between them, the last one linear."""

    hidden_units: PositiveInt | list[PositiveInt] = Field(
        description="widths of the layers before the last; one number is one layer"
    )
    batch_norm: bool = Field(description="on the input and between layers")
    dropout: float = Field(ge=0, lt=1, description="share dropped between layers")

    @property
    def widths(self) -> list[int]:
        """The hidden widths as a list, whichever way they were given."""
        units = self.hidden_units
        return [units] if isinstance(units, int) else list(units)

    @model_validator(mode="after")
    def _there_is_something_to_drop(self) -> Self:
        if self.dropout and not self.widths:
            raise ValueError(
                f"dropout is {self.dropout} but there are no hidden_units, whose "
                "outputs it drops; set it to 0, or give hidden_units"
            )
        return self


class MeanHistory(Params):
    """The layer that averages a history."""

    hidden_units: list[PositiveInt] = Field(
        min_length=2, description="widths of the ReLU layers after the mean"
    )
    dropout: float = Field(ge=0, lt=1)


class TransformerHistory(Params):
    """The layer that reads a history with causal self-attention."""

    n_blocks: int = Field(ge=1)
    n_heads: int = Field(ge=1, description="dimension is a multiple of it")
    dropout: float = Field(ge=0, lt=1)


class Histories(Params):
    """What may read a history, each with parameters of its own."""

    mean: MeanHistory
    transformer: TransformerHistory


class Entity(Params):
    """What the vector of an item, or of a user's profile, is made of."""

    use_id: bool = Field(description="an embedding of the entity's own")
    use_features: bool = Field(description="embeddings of the declared features")
    features: dict[str, bool] = Field(
        description="feature → false leaves it out; those not named are in"
    )
    embedding: PositiveInt | None = Field(
        description="width of each embedding; null: the dimension"
    )
    combine: Literal["sum", "mean", "concat"] = Field(
        description="how embeddings become one vector"
    )
    mlp: Mlp | None = Field(description="layers from there to the dimension; or null")
    id_dropout: float = Field(
        ge=0, lt=1, description="share of entities without their id in a step"
    )
    scale: float = Field(gt=0, description="standard deviation of initial embeddings")
    l2: float = Field(ge=0, description="times the sum of all squared embeddings")

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if not (self.use_id or self.use_features):
            raise ValueError(
                "use_id and use_features are both false, so all entities would be "
                "alike; set one of them to true"
            )
        if self.id_dropout and not (self.use_id and self.use_features):
            raise ValueError(
                f"id_dropout is {self.id_dropout}, which needs both use_id and "
                "use_features: an entity without its id must have its content"
            )
        return self

    @model_validator(mode="after")
    def _the_width_fits(self) -> Self:
        if self.mlp is None and self.combine == "concat":
            raise ValueError(
                "combine is 'concat' but mlp is null, so nothing would bring the "
                "vector to the dimension; give an mlp, or choose sum or mean"
            )
        return self


class Profile(Entity):
    """What is known of a user beside the history: id and declared features."""

    use: bool = Field(description="whether the query tower has a profile at all")


class Temperature(Params):
    """What scores are divided by."""

    start: float = Field(gt=0, description="its value, or the first one if learned")
    learned: bool = Field(description="trained with the towers, always above 0")


class Scoring(Params):
    """How a query and an item make a score."""

    normalise: bool = Field(
        description="unit vectors, so that the score is a cosine; else a dot product"
    )
    temperature: Temperature


class MaxMargin(Params):
    """Hinge loss of each positive against its negatives."""

    margin: float = Field(gt=0, description="by which the positive is to lead")


class Gbce(Params):
    """Generalised binary cross-entropy."""

    calibration: float = Field(
        ge=0, le=1, description="0: plain cross-entropy; 1: calibrated as a softmax"
    )


class Objectives(Params):
    """Options of the objectives that have any."""

    max_margin: MaxMargin
    gbce: Gbce


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
    """Items that the user has rated low; see `sequencing.disliked`."""

    per_positive: PositiveInt = Field(description="draws of each query's own")
    uniform: int = Field(
        ge=0, description="more draws of each query's own, from all items"
    )


class Queue(Params):
    """The positives of the latest batches."""

    size: PositiveInt = Field(description="positives that are kept")


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


class Optimizer(Params):
    """How weights follow gradients."""

    kind: Literal["adam", "adamw", "adagrad", "sgd"]
    learning_rate: float = Field(gt=0, description="the highest rate")
    beta_2: float = Field(gt=0, lt=1, description="of adam and adamw")
    epsilon: float = Field(gt=0, description="of all but sgd")
    initial_accumulator: float = Field(
        gt=0, description="of adagrad, what the sums of squares begin with"
    )
    momentum: float = Field(ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(ge=0, description="of adamw")
    clip_norm: float | None = Field(gt=0, description="global gradient norm; or null")

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


class Batches(PaddedBatches):
    """What a training step takes; the widest bucket holds the longest window."""

    pairs: int = Field(
        ge=1, description="pairs of a batch, for queries that read no history"
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


class Training(Params):
    """All parameters of training."""

    backend: Literal["tensorflow", "jax"]
    device: Literal["auto", "cpu", "gpu"]
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        description="of the towers' arithmetic; weights and losses stay float32"
    )
    jit_compile: bool = Field(description="compile the training step with XLA")
    steps_per_execution: int = Field(
        ge=1, description="steps between two looks at the loss; more help small ones"
    )
    seed: int = Field(ge=0, le=MAX_SEED)
    epochs: int = Field(ge=1, description="the most; early stopping may end before")
    dimension: int = Field(ge=1, description="D of every vector")
    history: HistoryKind = Field(description="what reads a user's history")
    histories: Histories
    profile: Profile
    item_tower: Entity
    fusion: Mlp = Field(description="from history and profile, where both are, to one")
    scoring: Scoring
    objective: ObjectiveKind
    objectives: Objectives
    negatives: SourceKind = Field(description="where negatives come from")
    sources: Sources
    masks: Masks
    log_q: LogQKind = Field(
        description="correction for how often an item is drawn, in a softmax"
    )
    streaming: Streaming
    self_supervision: SelfSupervision
    optimizer: Optimizer
    schedule: Literal["constant", "cosine", "exponential"]
    schedules: Schedules
    batches: Batches
    validation: ValidationParams

    @property
    def has_own_candidates(self) -> bool:
        """Whether each query has candidates of its own, not shared by the batch."""
        if self.negatives not in OF_EACH_QUERY:
            return False
        return bool(getattr(self.sources, self.negatives).per_positive)

    @model_validator(mode="after")
    def _queries_know_something(self) -> Self:
        if self.history == "none" and not self.profile.use:
            raise ValueError(
                "history is 'none' and profile.use is false, so all queries would be "
                "alike; choose history mean or transformer, or set profile.use"
            )
        n_heads = self.histories.transformer.n_heads
        if self.history == "transformer" and self.dimension % n_heads:
            raise ValueError(
                f"dimension {self.dimension} is not a multiple of "
                f"histories.transformer.n_heads {n_heads}"
            )
        return self

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        towers = {"item_tower": self.item_tower}
        if self.profile.use:
            towers["profile"] = self.profile
        for name, tower in towers.items():
            width = tower.embedding or self.dimension
            if tower.mlp is None and width != self.dimension:
                raise ValueError(
                    f"{name}.embedding is {width} but the dimension {self.dimension}, "
                    f"and {name}.mlp, which would lead from one to the other, is null; "
                    "set embedding to null, or give an mlp"
                )
        return self

    @model_validator(mode="after")
    def _objective_has_its_negatives(self) -> Self:
        if self.objective != "softmax" and self.negatives == "catalogue":
            others = ", ".join((*OF_POSITIVES, *OF_EACH_QUERY))
            raise ValueError(
                f"objective {self.objective!r} with negatives 'catalogue' would hold a "
                f"score of every query and item at once; choose one of {others}, or "
                "objective softmax"
            )
        return self

    @model_validator(mode="after")
    def _the_margin_can_be_reached(self) -> Self:
        if self.objective != "max_margin":
            return self
        temperature = self.scoring.temperature
        if temperature.learned:
            raise ValueError(
                "scoring.temperature.learned is true but objective is 'max_margin': a "
                "temperature near 0 would reach any margin, and nothing else be "
                "learned; set it to false, or choose another objective"
            )
        margin, most = self.objectives.max_margin.margin, 2 / temperature.start
        if self.scoring.normalise and margin > most:
            raise ValueError(
                f"objectives.max_margin.margin is {margin}, but cosines over the "
                f"temperature {temperature.start} differ by {most} at most; choose a "
                "smaller margin or temperature, or set scoring.normalise to false"
            )
        return self

    @model_validator(mode="after")
    def _the_consumed_can_be_drawn(self) -> Self:
        if self.masks.consumed and self.negatives == "unconsumed":
            raise ValueError(
                "masks.consumed is true but negatives is 'unconsumed', which draws "
                "nothing that it could mask; set it to false, or choose other negatives"
            )
        return self

    @model_validator(mode="after")
    def _the_queue_holds_a_batch(self) -> Self:
        size, places = self.sources.queue.size, self._places_of_a_batch()
        if self.negatives == "queue" and size < places:
            raise ValueError(
                f"sources.queue.size is {size}, but a batch may have {places} places, "
                "which the queue must hold; raise it, or lower batches"
            )
        return self

    def _places_of_a_batch(self) -> int:
        """Return how many places the largest batch has, if a bucket is full."""
        batches = self.batches
        if self.history == "none":
            return batches.pairs
        return max(
            count_places(width, slots=batches.slots, chunk=batches.chunk)
            for width in batches.buckets
        )

    @model_validator(mode="after")
    def _hits_are_masked(self) -> Self:
        if self.masks.hits:
            return self
        if self.objective != "softmax" or self.negatives not in HOLD_POSITIVES:
            raise ValueError(
                f"masks.hits is false, but with objective {self.objective!r} and "
                f"negatives {self.negatives!r} an item would be told from itself; set "
                "masks.hits to true, or choose objective softmax with one of "
                f"{', '.join(HOLD_POSITIVES)}"
            )
        return self

    @model_validator(mode="after")
    def _log_q_is_of_use(self) -> Self:
        if self.log_q == "none":
            return self
        if self.objective != "softmax" or self.negatives == "catalogue":
            raise ValueError(
                f"log_q is {self.log_q!r}, which corrects a softmax over drawn "
                f"candidates, but objective is {self.objective!r} and negatives "
                f"{self.negatives!r}; set log_q to none"
            )
        if self.log_q == "streaming" and self.negatives not in OF_POSITIVES:
            raise ValueError(
                f"log_q is 'streaming', which estimates how often items are positives, "
                f"but negatives is {self.negatives!r}, whose probabilities are known; "
                f"set log_q to exact, or choose one of {', '.join(OF_POSITIVES)}"
            )
        return self

    @model_validator(mode="after")
    def _views_have_features(self) -> Self:
        pattern = self.self_supervision.pattern
        if pattern == "none":
            return self
        if self.objective != "softmax":
            raise ValueError(
                f"self_supervision.pattern is {pattern!r} but objective is "
                f"{self.objective!r}; self-supervision goes with objective softmax"
            )
        if not self.item_tower.use_features:
            raise ValueError(
                f"self_supervision.pattern is {pattern!r} but item_tower.use_features "
                "is false; its views leave out features, so items need some"
            )
        return self
