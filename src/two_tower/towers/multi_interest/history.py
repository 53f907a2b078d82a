"""The multi-interest encoder among the history encoders: its options build it."""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from two_tower.params import Size
from two_tower.towers.multi_interest.params import (
    AggregationParams,
    EventParams,
    HeadParams,
    ItemAttentionParams,
)
from two_tower.towers.params import HistoryParams, HistoryShape


class MultiInterestHistory(HistoryParams):
    """Several vectors per user, one for each group of interests."""

    max_items: Size = Field(description="newest items that are read")
    n_heads: Size = Field(description="interests, H")
    n_vectors: Size = Field(description="vectors per query; divides n_heads")
    category: list[str] = Field(
        description="item features, or `id`, whose mean is an item's category; none: "
        "all that the item tower reads, numbers apart, or else the id"
    )
    events: EventParams
    attention: ItemAttentionParams
    heads: HeadParams
    aggregation: AggregationParams

    query_per_position: ClassVar[bool] = False

    @property
    def reads_events(self) -> bool:
        return True

    @property
    def item_features(self) -> list[str]:
        return self.category

    @staticmethod
    def encoder_class() -> Any:
        from two_tower.towers.multi_interest.tower import MultiInterestUserTower

        return MultiInterestUserTower

    def without_times(self) -> Self:
        # Ages and hours stay: those of unknown times are zero vectors.
        events = self.events.model_copy(update={"request_time": False})
        return self.model_copy(update={"events": events})

    def build(self, shape: HistoryShape) -> Any:
        return self.encoder_class()(
            shape.dimension,
            n_heads=self.n_heads,
            n_vectors=self.n_vectors,
            max_length=self.max_items,
            category=self.category,
            events=self.events,
            attention=self.attention,
            heads=self.heads,
            aggregation=self.aggregation,
            seed=shape.seed,
            dtype=shape.dtype,
        )

    @model_validator(mode="after")
    def _vectors_share_heads(self) -> Self:
        if self.n_heads % self.n_vectors:
            raise ValueError(
                f"n_heads is {self.n_heads}, no multiple of n_vectors "
                f"{self.n_vectors}; each vector has an equal number of heads"
            )
        return self
