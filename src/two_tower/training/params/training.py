"""All parameters of training, and which of them go together."""

from typing import Literal, Self

from pydantic import Field, model_validator

from two_tower.chunking import count_queries
from two_tower.params import Params
from two_tower.training.params.contrasts import (
    LogQKind,
    Masks,
    ObjectiveKind,
    Objectives,
    SelfSupervision,
    SourceKind,
    Sources,
    Streaming,
)
from two_tower.training.params.steps import (
    Averages,
    BatchParams,
    Optimizer,
    Schedules,
    ValidationParams,
)
from two_tower.training.params.towers import (
    Entity,
    Histories,
    HistoryKind,
    Mlp,
    Profile,
)
from two_tower.types import (
    HOLD_POSITIVES,
    OF_EACH_QUERY,
    OF_POSITIVES,
    ROW_PER_PLACE,
    AveragingKind,
    Credit,
    DeviceKind,
    HistoryItems,
)

# NumPy takes 32 bits; layers of a tower add a little to it.
MAX_SEED = 2**31 - 1

# In which vectors are for a positive its category has a say.
BY_CATEGORY: tuple[Credit, ...] = ("category", "mixture")


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


class Training(Params):
    """All parameters of training."""

    backend: Literal["tensorflow", "jax"]
    device: DeviceKind
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
    history_items: HistoryItems = Field(
        description="embedded by the item_tower, or by the history_item_tower apart"
    )
    history_item_tower: Entity
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
    averaging: AveragingKind = Field(
        description="which weights are validated and kept: those of the newest step, "
        "or an average over steps"
    )
    averages: Averages
    batches: BatchParams
    validation: ValidationParams

    @property
    def reads_events(self) -> bool:
        """Whether histories are read with the times, maybe ratings, of their items."""
        return self.history == "multi_interest" or (
            self.history == "transformer" and self.histories.transformer.reads_times
        )

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
        return self

    @model_validator(mode="after")
    def _dimension_has_heads(self) -> Self:
        asked = self.histories.transformer
        if self.history != "transformer" or asked.head_width is not None:
            return self
        if self.dimension % asked.n_heads:
            raise ValueError(
                f"dimension {self.dimension} is not a multiple of "
                f"histories.transformer.n_heads {asked.n_heads}; change one of them, "
                "or give heads a histories.transformer.head_width of their own"
            )
        return self

    @model_validator(mode="after")
    def _interests_fit(self) -> Self:
        reads_interests = self.history == "multi_interest"
        if reads_interests != (self.objective == "interest_softmax"):
            raise ValueError(
                f"history is {self.history!r} and objective {self.objective!r}; "
                "'multi_interest' and 'interest_softmax' go together, for the one "
                "routes histories to heads and the other positives"
            )
        if not reads_interests:
            return self
        if self.profile.use:
            raise ValueError(
                "profile.use is true, but history is 'multi_interest', which embeds "
                "users itself: set histories.multi_interest.events.user_id, and "
                "profile.use to false"
            )
        if not self.scoring.normalise:
            raise ValueError(
                "scoring.normalise is false, but the vectors of history "
                "'multi_interest' have length 1; set it to true"
            )
        return self

    @model_validator(mode="after")
    def _interests_share_candidates(self) -> Self:
        if self.objective == "interest_softmax" and self.has_own_candidates:
            raise ValueError(
                f"negatives {self.negatives!r} gives each query candidates of its own, "
                "but objective 'interest_softmax' takes candidates that a batch "
                "shares; choose queue, in_batch or mixed, or set count instead of "
                "per_positive"
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
                    f"and {name}.mlp, which would lead from one to the other, is null; "
                    "set embedding to null, or give an mlp"
                )
        return self

    @model_validator(mode="after")
    def _histories_have_items_of_their_own(self) -> Self:
        read_apart = ("mean", "transformer")
        if self.history_items == "separate" and self.history not in read_apart:
            raise ValueError(
                f"history_items is 'separate', but history is {self.history!r}; only "
                f"{' and '.join(read_apart)} read items apart from the candidates. Set "
                "history_items to tied, or choose one of these"
            )
        return self

    @model_validator(mode="after")
    def _categories_have_the_dimension(self) -> Self:
        width = self.item_tower.embedding or self.dimension
        if self.history == "multi_interest" and width != self.dimension:
            raise ValueError(
                f"item_tower.embedding is {width} but the dimension {self.dimension}, "
                "and history 'multi_interest' takes the mean of embeddings, an item's "
                "category, for a vector; set embedding to null"
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
        if self.negatives != "queue":
            return self
        queue, places = self.sources.queue, self._places_of_a_batch()
        if queue.size - queue.hard < places:
            raise ValueError(
                f"sources.queue has size {queue.size} with {queue.hard} hard ones, but "
                f"a batch may have {places} places, which the others must hold; raise "
                "the size, lower hard, or lower batches"
            )
        if queue.hard and self.objective != "interest_softmax":
            raise ValueError(
                f"sources.queue.hard is {queue.hard}, but objective is "
                f"{self.objective!r}, which knows no heads; set it to 0, or choose "
                "interest_softmax"
            )
        return self

    @model_validator(mode="after")
    def _hard_negatives_have_heads_that_learn(self) -> Self:
        if self.negatives != "queue" or not self.sources.queue.hard:
            return self
        asked, history = self.objectives.interest_softmax, self.histories.multi_interest
        auxiliary = asked.dead_heads.weight, asked.sharpness.weight
        learns = any((*auxiliary, asked.semantic.weight))
        by_category = asked.credit in BY_CATEGORY and history.n_vectors > 1
        if history.n_heads > 1 and not (learns or by_category):
            raise ValueError(
                f"sources.queue.hard is {self.sources.queue.hard}, which compares the "
                "heads of categories, but nothing teaches which categories are whose: "
                "set a weight of objectives.interest_softmax (dead_heads, sharpness, "
                "semantic) above 0, or credit to category or mixture with several "
                "vectors, or hard to 0"
            )
        return self

    @model_validator(mode="after")
    def _popularity_is_corrected_once(self) -> Self:
        is_unique = self.negatives == "queue" and self.sources.queue.unique
        if is_unique and self.log_q != "none":
            raise ValueError(
                f"sources.queue.unique is true and log_q {self.log_q!r}: an item that "
                "is often a positive would be made up for twice; set unique to false, "
                "or log_q to none"
            )
        return self

    def _places_of_a_batch(self) -> int:
        """Return how many places the largest batch has, if a bucket is full."""
        batches = self.batches
        if self.history in ROW_PER_PLACE:
            return batches.pairs
        return max(
            count_queries(width, slots=batches.slots, chunk=batches.chunk)
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
        is_softmax = self.objective in {"softmax", "interest_softmax"}
        if not is_softmax or self.negatives == "catalogue":
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
