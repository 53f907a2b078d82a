"""What a simulation is made from; the values stand in `conf`."""

from datetime import date
from typing import Self

from pydantic import Field, field_validator, model_validator

from two_tower.movielens.releases import RELEASES
from two_tower.params import Params
from two_tower.simulation.latent_interests import INTERESTS

LARGEST_SHARE_SEEN = 0.5
"""How much of the catalogue one user may rate; more would leave nothing to choose."""


class Timeline(Params):
    """The months in which ratings are given."""

    start: date = Field(
        ge=date(1990, 1, 1), description="first day; the first of a month"
    )
    months: int = Field(ge=2, le=600)

    @field_validator("start")
    @classmethod
    def _starts_a_month(cls, start: date) -> date:
        if start.day != 1:
            raise ValueError(f"timeline.start is {start}; give the first of a month")
        return start


class Catalogue(Params):
    """How movies differ in popularity, and which belong together."""

    power: float = Field(ge=0, le=3, description="popularity falls as rank ** -power")
    head: float = Field(ge=0, description="ranks by which the top is flattened")
    obscure: float = Field(ge=0, lt=1, description="share that hardly anyone finds")
    late: float = Field(ge=0, lt=1, description="share arriving after the first month")
    in_series: float = Field(ge=0, le=0.5, description="share with a sequel or prequel")
    crossover: float = Field(ge=0, le=1, description="share pleasing a second interest")


class Users(Params):
    """How users differ, and how they change."""

    interests: int = Field(ge=1, le=len(INTERESTS), description="interests of one user")
    demographics: float = Field(
        ge=0, description="how much age, gender, occupation and region tell; 0: nothing"
    )
    drift: float = Field(
        ge=0, le=20, description="how sharply interests rise and fade; 0: they stay"
    )
    shortest: int = Field(ge=1, description="ratings of the least active user")
    longest: int = Field(ge=1, description="ratings of the most active user")
    spread: float = Field(ge=0, le=3, description="of log activity above `shortest`")
    lifetime_days: float = Field(gt=0, description="mean, first to last session")


class Sessions(Params):
    """What a user rates next, and when."""

    length: float = Field(ge=1, description="mean ratings in a session")
    sequel: float = Field(
        ge=0, le=1, description="chance that the next movie is the awaited sequel"
    )
    wide: float = Field(
        ge=0, le=1, description="share chosen by overall popularity, not by interest"
    )
    novelty: float = Field(ge=0, description="extra appeal of a new arrival, in times")
    novelty_months: float = Field(gt=0, description="time in which that falls to 1/e")
    seasons: float = Field(ge=0, lt=1, description="strength of the time of the year")
    ties: float = Field(ge=0, le=1, description="share entered in the same second")
    pause: float = Field(gt=0, description="mean seconds between the others")


class Stars(Params):
    """How ratings come about, in stars; deviations are standard deviations."""

    mean: float = Field(ge=0.5, le=5)
    user: float = Field(ge=0, description="deviation between users")
    movie: float = Field(ge=0, description="deviation between movies")
    match: float = Field(ge=0, description="difference that a shared interest makes")
    noise: float = Field(ge=0, description="deviation that nothing explains")


class Recipe(Params):
    """Everything that a simulated archive depends on: same recipe, same bytes."""

    release: str = Field(description="whose format to write: a name in RELEASES")
    seed: int = Field(ge=0)
    n_users: int = Field(ge=1)
    n_movies: int = Field(ge=2 * len(INTERESTS))
    n_ratings: int = Field(ge=1)
    users_per_chunk: int = Field(
        ge=1,
        le=100_000,
        description="made at once; more need more memory; changes the draws",
    )
    timeline: Timeline
    catalogue: Catalogue
    users: Users
    sessions: Sessions
    stars: Stars

    @field_validator("release")
    @classmethod
    def _is_a_release(cls, release: str) -> str:
        if release not in RELEASES:
            raise ValueError(
                f"simulation.release is {release!r}; choose one of {sorted(RELEASES)}"
            )
        return release

    @model_validator(mode="after")
    def _ratings_fit(self) -> Self:
        shortest, longest = self.users.shortest, self.users.longest
        if not shortest * self.n_users <= self.n_ratings <= longest * self.n_users:
            raise ValueError(
                f"n_ratings is {self.n_ratings}, but {self.n_users} users with "
                f"{shortest} to {longest} ratings each give "
                f"{shortest * self.n_users} to {longest * self.n_users}"
            )
        if longest > LARGEST_SHARE_SEEN * self.n_movies:
            raise ValueError(
                f"users.longest is {longest}, more than {LARGEST_SHARE_SEEN:.0%} of "
                f"the {self.n_movies} movies; lower it or add movies"
            )
        return self
