"""All parameters of training, and which of them go together."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from two_tower.negatives.log_q import LogQ
from two_tower.negatives.queue import QueueParams
from two_tower.negatives.registry import CatalogueParams, Negatives
from two_tower.params import Factor, Params, Rows, Size
from two_tower.towers.multi_interest.history import MultiInterestHistory
from two_tower.towers.params import EntityParams, MlpParams, ProfileParams
from two_tower.towers.registry import History
from two_tower.towers.transformer.params import TransformerParams
from two_tower.training.batches.params import BatchParams
from two_tower.training.batches.views import SelfSupervision
from two_tower.training.objectives.interest_softmax import InterestSoftmaxParams
from two_tower.training.objectives.pairwise import MaxMarginParams
from two_tower.training.objectives.registry import ObjectiveChoice
from two_tower.training.optimizers import Optimizer
from two_tower.training.schedules import Schedule
from two_tower.types import Assignment, DeviceKind, HistoryItems

# NumPy takes 32 bits; layers of a tower add a little to it.
MAX_SEED = 2**31 - 1

# Assignments that read which heads the positive's category belongs to.
BY_CATEGORY: tuple[Assignment, ...] = ("category", "mixture")


class Temperature(Params):
    """Divisor of the scores in a loss."""

    start: Factor = Field(gt=0, description="its value, or the first one if learned")
    learned: bool = Field(description="trained with the towers, always above 0")


class Scoring(Params):
    """Score of a query and an item."""

    normalise: bool = Field(
        description="unit vectors, so that the score is a cosine; else a dot product"
    )
    temperature: Temperature


class Masks(Params):
    """Masked candidates of a query."""

    hits: bool = Field(description="accidental hits: the query's own positive")
    consumed: bool = Field(description="all training items of the query's user")


class ValidationParams(Params):
    """Full ranking of validation positives while training."""

    every: int = Field(ge=1, description="epochs between validations")
    cutoffs: list[PositiveInt] = Field(min_length=1, description="k of hr@k and ndcg@k")
    monitor: str = Field(description="metric that decides which epoch is best")
    patience: int = Field(ge=1, description="validations without improvement")
    sample_users: PositiveInt | None = Field(
        description="users to rank, sampled once; null: all"
    )
    tokens_per_batch: Rows = Field(description="items in a batch, padding included")
    item_block: Rows = Field(description="items scored at a time")

    @model_validator(mode="after")
    def _monitor_is_computed(self) -> Self:
        computed = ["mrr"] + [
            f"{name}@{k}" for k in self.cutoffs for name in ("hr", "recall", "ndcg")
        ]
        if self.monitor not in computed:
            raise ValueError(
                f"validation.monitor is {self.monitor!r}; with cutoffs {self.cutoffs} "
                f"choose one of {', '.join(computed)}"
            )
        return self


class Training(Params):
    """All parameters of training."""

    backend: Literal["tensorflow", "jax"]
    device: DeviceKind
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        description="of the towers' arithmetic; weights and losses stay float32"
    )
    jit_compile: bool = Field(description="compile the training step with XLA")
    steps_per_execution: Size = Field(
        description="steps per call of the compiled function; raise it for small steps",
    )
    seed: int = Field(ge=0, le=MAX_SEED)
    optional_features: list[str] = Field(
        description="features that a preset would like: options may name them, and are "
        "left out where the data do not declare them"
    )
    epochs: Size = Field(description="maximum; early stopping may end sooner")
    dimension: Size = Field(description="D of query and item vectors")
    history: History = Field(description="history encoder")
    profile: ProfileParams
    item_tower: EntityParams
    history_items: HistoryItems = Field(
        description="tied: embedded by item_tower; separate: by history_item_tower"
    )
    history_item_tower: EntityParams
    fusion: MlpParams = Field(description="layers over history and profile, if both")
    scoring: Scoring
    objective: ObjectiveChoice
    negatives: Negatives
    masks: Masks
    log_q: LogQ
    self_supervision: SelfSupervision
    optimizer: Optimizer
    schedule: Schedule
    batches: BatchParams
    validation: ValidationParams

    @property
    def logits_chunk(self) -> int:
        """Queries whose logits exist at one time."""
        per_position = self.history.chosen.query_per_position
        return self.batches.chunk(query_per_position=per_position)

    def without_times(self) -> Self:
        """Return the parameters for data without times: no encoder reads any."""
        history = self.history
        encoder = history.chosen.without_times()
        update = {history.kind: encoder}
        return self.model_copy(update={"history": history.model_copy(update=update)})

    @model_validator(mode="after")
    def _queries_differ(self) -> Self:
        if self.history.kind == "none" and not self.profile.use:
            raise ValueError(
                "history.kind is 'none' and profile.use is false, so all queries are "
                "alike; choose history.kind mean or transformer, or set profile.use"
            )
        return self

    @model_validator(mode="after")
    def _heads_divide_the_dimension(self) -> Self:
        history = self.history.chosen
        if not isinstance(history, TransformerParams) or history.head_width is not None:
            return self
        if self.dimension % history.n_heads:
            raise ValueError(
                f"dimension {self.dimension} is not a multiple of "
                f"history.transformer.n_heads {history.n_heads}; change one of them, "
                "or set history.transformer.head_width"
            )
        return self

    @model_validator(mode="after")
    def _several_interests_fit(self) -> Self:
        reads_interests = isinstance(self.history.chosen, MultiInterestHistory)
        if reads_interests != isinstance(self.objective.chosen, InterestSoftmaxParams):
            raise ValueError(
                f"history.kind is {self.history.kind!r} and objective.kind "
                f"{self.objective.kind!r}; 'multi_interest' needs 'interest_softmax' "
                "and the reverse: one routes histories to heads, the other positives"
            )
        if not reads_interests:
            return self
        if self.profile.use:
            raise ValueError(
                "profile.use is true, but history.kind 'multi_interest' embeds users "
                "itself: set history.multi_interest.events.user_id, and profile.use to "
                "false"
            )
        if not self.scoring.normalise:
            raise ValueError(
                "scoring.normalise is false, but history.kind 'multi_interest' returns "
                "unit vectors; set it to true"
            )
        width = self.item_tower.embedding or self.dimension
        if width != self.dimension:
            raise ValueError(
                f"item_tower.embedding is {width} but the dimension {self.dimension}; "
                "history.kind 'multi_interest' takes the mean of embeddings, an item's "
                "category, as a vector; set embedding to null"
            )
        if self.negatives.chosen.per_query:
            raise ValueError(
                f"negatives.kind {self.negatives.kind!r} gives each query candidates "
                "of its own, but objective.kind 'interest_softmax' needs candidates "
                "shared by the batch; choose queue, in_batch or mixed, or set count "
                "instead of per_positive"
            )
        return self

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        towers = {"item_tower": self.item_tower}
        if self.profile.use:
            towers["profile"] = self.profile
        if self.history_items == "separate":
            towers["history_item_tower"] = self.history_item_tower
        for name, tower in towers.items():
            width = tower.embedding or self.dimension
            if tower.mlp is None and width != self.dimension:
                raise ValueError(
                    f"{name}.embedding is {width} but the dimension {self.dimension}, "
                    f"and {name}.mlp, which would map one to the other, is null; set "
                    "embedding to null, or give an mlp"
                )
        return self

    @model_validator(mode="after")
    def _separate_items_are_read(self) -> Self:
        if self.history_items == "separate" and not self.history.chosen.separate_items:
            raise ValueError(
                f"history_items is 'separate', but history.kind {self.history.kind!r} "
                "reads no item tower of its own; set history_items to tied, or choose "
                "history.kind mean or transformer"
            )
        return self

    @model_validator(mode="after")
    def _objective_has_its_negatives(self) -> Self:
        takes_catalogue = self.objective.chosen.takes_catalogue
        if self.negatives.kind == "catalogue" and not takes_catalogue:
            others = [kind for kind in Negatives.kinds() if kind != "catalogue"]
            raise ValueError(
                f"objective.kind {self.objective.kind!r} with negatives.kind "
                "'catalogue' would hold a score of every query and item at once; "
                f"choose one of {', '.join(others)}, or objective.kind softmax"
            )
        return self

    @model_validator(mode="after")
    def _the_margin_can_be_reached(self) -> Self:
        objective, temperature = self.objective.chosen, self.scoring.temperature
        if not isinstance(objective, MaxMarginParams):
            return self
        if temperature.learned:
            raise ValueError(
                "scoring.temperature.learned is true but objective.kind is "
                "'max_margin': a temperature near 0 reaches any margin without "
                "learning anything else; set it to false, or choose another objective"
            )
        most = 2 / temperature.start
        if self.scoring.normalise and objective.margin > most:
            raise ValueError(
                f"objective.max_margin.margin is {objective.margin}, but cosines over "
                f"the temperature {temperature.start} differ by {most} at most; choose "
                "a smaller margin or temperature, or set scoring.normalise to false"
            )
        return self

    @model_validator(mode="after")
    def _consumed_items_can_be_masked(self) -> Self:
        if self.masks.consumed and self.negatives.kind == "unconsumed":
            raise ValueError(
                "masks.consumed is true but negatives.kind is 'unconsumed', which "
                "samples no consumed item; set it to false, or choose other negatives"
            )
        return self

    @model_validator(mode="after")
    def _the_queue_holds_a_batch(self) -> Self:
        queue = self.negatives.chosen
        if not isinstance(queue, QueueParams):
            return self
        per_position = self.history.chosen.query_per_position
        n_queries = self.batches.max_queries(query_per_position=per_position)
        if queue.size - queue.hard < n_queries:
            raise ValueError(
                f"negatives.queue.size is {queue.size} and hard is {queue.hard}: the "
                f"other {queue.size - queue.hard} entries must hold a batch of up to "
                f"{n_queries} queries; raise size, or lower hard or batches"
            )
        if queue.unique and self.log_q.kind != "none":
            raise ValueError(
                "negatives.queue.unique is true and log_q.kind is "
                f"{self.log_q.kind!r}: popularity would be corrected twice; set unique "
                "to false, or log_q.kind to none"
            )
        return self

    @model_validator(mode="after")
    def _hard_negatives_have_trained_heads(self) -> Self:
        queue, objective = self.negatives.chosen, self.objective.chosen
        if not isinstance(queue, QueueParams) or not queue.hard:
            return self
        if not isinstance(objective, InterestSoftmaxParams):
            raise ValueError(
                f"negatives.queue.hard is {queue.hard}, but objective.kind "
                f"{self.objective.kind!r} has no heads; set it to 0, or choose "
                "interest_softmax"
            )
        history = self.history.multi_interest
        by_category = objective.assignment in BY_CATEGORY and history.n_vectors > 1
        if history.n_heads > 1 and not (
            objective.trains_category_router or by_category
        ):
            raise ValueError(
                f"negatives.queue.hard is {queue.hard}, which compares the heads of "
                "categories, but nothing trains the router of categories: set a weight "
                "of objective.interest_softmax (load_balancing, entropy, semantic) "
                "above 0, or assignment to category or mixture with several vectors, "
                "or hard to 0"
            )
        return self

    @model_validator(mode="after")
    def _hits_are_masked(self) -> Self:
        if self.masks.hits:
            return self
        takes_hits = self.objective.chosen.takes_hits
        if not (takes_hits and self.negatives.chosen.contains_positives):
            raise ValueError(
                f"masks.hits is false, but with objective.kind {self.objective.kind!r} "
                f"and negatives.kind {self.negatives.kind!r} a positive would be its "
                "own negative; set masks.hits to true, or choose objective.kind "
                "softmax with negatives that contain the positives"
            )
        return self

    @model_validator(mode="after")
    def _log_q_is_of_use(self) -> Self:
        kind, negatives = self.log_q.kind, self.negatives
        if kind == "none":
            return self
        is_sampled = not isinstance(negatives.chosen, CatalogueParams)
        if not (self.objective.chosen.is_softmax and is_sampled):
            raise ValueError(
                f"log_q.kind is {kind!r}, which corrects a softmax over sampled "
                f"candidates, but objective.kind is {self.objective.kind!r} and "
                f"negatives.kind {negatives.kind!r}; set log_q.kind to none"
            )
        if kind == "streaming" and not negatives.chosen.follows_positives:
            raise ValueError(
                "log_q.kind is 'streaming', which estimates how often items are "
                f"positives, but the probabilities of negatives.kind "
                f"{negatives.kind!r} are known; set log_q.kind to exact, or choose "
                "negatives that follow the positives"
            )
        return self

    @model_validator(mode="after")
    def _views_have_features(self) -> Self:
        kind = self.self_supervision.kind
        if kind == "none":
            return self
        if not self.objective.chosen.takes_views:
            raise ValueError(
                f"self_supervision.kind is {kind!r} but objective.kind is "
                f"{self.objective.kind!r}; self-supervision needs objective.kind "
                "softmax"
            )
        if not self.item_tower.use_features:
            raise ValueError(
                f"self_supervision.kind is {kind!r} but item_tower.use_features is "
                "false; its views mask item features, so items need some"
            )
        return self


class Refit(Params):
    """Training on all interactions, held-out ones too, once the epochs are chosen."""

    start: Literal["scratch", "warm"] = Field(
        description="from new weights, or from those of the evaluated model"
    )
