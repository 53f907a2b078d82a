"""Parameters of the recommendation pipeline."""

from typing import Literal, Self

from pydantic import Field, model_validator

from two_tower.params import Ids, Params, RawId
from two_tower.recommend.random_order import Drawn


class Recommendation(Params):
    """Who gets recommendations, how many, and of which items.

    Ids are matched by how they read, so 42 also means the id "42". YAML reads a bare
    00042 as 34 and 1_000 as 1000: where ids are text, such ones go in quotes.
    """

    k: int = Field(ge=1, description="items per user; fewer if no more may be shown")
    users: Literal["all"] | Ids = Field(
        description="raw ids, or all users; the table then holds these users alone"
    )
    user_id: RawId | None = Field(
        description="the raw id of one user, in place of `users`; null for none"
    )
    cold_start: Literal["refuse", "learned", "average", "popular"] = Field(
        description="what an unknown user who is asked for gets: an error, what the "
        "towers have learned for nobody (if they read histories, or their profile was "
        "trained with id_dropout), what suits the users' average, or the most popular "
        "items"
    )
    order: Literal["best", "drawn"] = Field(
        description="the best items, or some of them at random, see `drawn`"
    )
    drawn: Drawn
    quota: int | None = Field(
        ge=1,
        description="items that are taken from the list of each vector of a user "
        "first, an item once; behind them scores begin anew; null for no limit, as "
        "the order `drawn` needs it",
    )
    because: int = Field(
        ge=0,
        description="so many items of the user's history stand beside a "
        "recommendation: those that have the same nearest vector, the nearest first",
    )
    filter_seen: bool = Field(description="leave out what the user's history holds")
    allow_items: Ids | None = Field(
        description="raw ids of the only items to show; null for all"
    )
    exclude_items: tuple[RawId, ...] = Field(
        description="raw ids of items to show to nobody"
    )
    users_per_batch: int = Field(
        ge=1, description="users answered at a time; of V vectors, one V-th as many"
    )
    logged_users: int = Field(
        ge=0, description="a run for at most so many named users also logs their lists"
    )

    @model_validator(mode="after")
    def _enough_to_draw_from(self) -> Self:
        if self.order == "drawn" and self.drawn.among < self.k:
            raise ValueError(
                f"k is {self.k}, but items are drawn among the best "
                f"{self.drawn.among}; raise drawn.among"
            )
        return self

    @model_validator(mode="after")
    def _quota_has_a_meaning(self) -> Self:
        if self.order == "drawn" and self.quota is not None:
            raise ValueError(
                f"quota is {self.quota}, but a quota orders the best items, and order "
                "is drawn; set quota to null or order to best"
            )
        return self

    @property
    def wanted_users(self) -> Literal["all"] | tuple[RawId, ...]:
        """The raw ids of the users asked for, or all."""
        return self.users if self.user_id is None else (self.user_id,)
