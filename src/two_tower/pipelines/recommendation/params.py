"""Parameters of the recommendation pipeline."""

from typing import Literal, Self

from pydantic import Field, model_validator

from two_tower.params import Ids, Params, RawId, Rows
from two_tower.recommend.random_order import ListOrder


class Recommendation(Params):
    """Users, number, items and order of recommendations.

    Ids are matched as text, so 42 also means the id "42". YAML reads a bare 00042 as
    34 and 1_000 as 1000: such text ids go in quotes.
    """

    k: int = Field(
        ge=1,
        description="items per user, at most all of the index; fewer if no other is "
        "allowed",
    )
    users: Literal["all"] | Ids = Field(
        description="raw ids, or all users; the table then has rows of these users only"
    )
    user_id: RawId | None = Field(
        description="raw id of one user, in place of `users`; null for none"
    )
    cold_start: Literal["refuse", "learned", "average", "popular"] = Field(
        description="for a listed user without an embedding: an error, the towers' "
        "learned cold-start query (of towers that read histories, or were trained with "
        "profile.id_dropout), the average query, or the most popular items"
    )
    order: ListOrder
    quota: int | None = Field(
        ge=1,
        description="items taken from each vector's own list first, without repeats; "
        "the best of the rest fill the list. null: no quota, as a random order needs",
    )
    similar_history_items: int = Field(
        ge=0,
        le=1_000,
        description="explanation of an item: this many items of the user's history, "
        "those nearest to it first",
    )
    filter_seen: bool | None = Field(
        description="mask the items of all of the user's interactions, those too that "
        "sequencing.selection dropped; null: mask them if evaluation.seen is left_out"
    )
    allow_items: Ids | None = Field(
        description="raw ids of the only items to recommend; null for all. Ids that "
        "the index lacks are counted in the log"
    )
    exclude_items: tuple[RawId, ...] = Field(
        description="raw ids of items never to recommend. Ids that the index lacks are "
        "counted in the log"
    )
    users_per_batch: Rows = Field(
        description="users per batch, divided by V if users have V vectors; long lists "
        "make a batch smaller",
    )
    logged_users: int = Field(
        ge=0, description="a run for at most this many listed users logs their lists"
    )

    @model_validator(mode="after")
    def _enough_candidates(self) -> Self:
        n_candidates = self.order.chosen.n_candidates(self.k)
        if n_candidates < self.k:
            raise ValueError(
                f"k is {self.k}, but a list is sampled from the best {n_candidates} "
                "items; raise order.random.among"
            )
        return self

    @model_validator(mode="after")
    def _order_takes_quota(self) -> Self:
        if self.quota is not None and not self.order.chosen.takes_quota:
            raise ValueError(
                f"quota is {self.quota}, but order.kind is {self.order.kind!r}, which "
                "takes no quota; set quota to null or order.kind to best"
            )
        return self

    @property
    def listed_users(self) -> Literal["all"] | tuple[RawId, ...]:
        """Raw ids of the users who get recommendations, or all."""
        return self.users if self.user_id is None else (self.user_id,)
