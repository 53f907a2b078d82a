"""Parameters of the recommendation pipeline."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StrictInt

from two_tower.params import Params

# Strict, or a bare `on` or `1e3` on the command line would stand for user 1 or 1000.
RawId: TypeAlias = StrictInt | str
Ids: TypeAlias = Annotated[tuple[RawId, ...], Field(min_length=1)]


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
    hide_seen: bool = Field(description="leave out what the user's history holds")
    allow_items: Ids | None = Field(
        description="raw ids of the only items to show; null for all"
    )
    exclude_items: tuple[RawId, ...] = Field(
        description="raw ids of items to show to nobody"
    )
    users_per_batch: int = Field(ge=1, description="users answered at a time")
    logged_users: int = Field(
        ge=0, description="a run for at most so many named users also logs their lists"
    )

    @property
    def wanted_users(self) -> Literal["all"] | tuple[RawId, ...]:
        """The raw ids of the users asked for, or all."""
        return self.users if self.user_id is None else (self.user_id,)
