"""Parameters of a simulated archive; their values are in `conf`."""

from datetime import date
from typing import Self

from pydantic import Field, field_validator, model_validator

from two_tower.movielens.releases import RELEASES
from two_tower.params import MOST_ROWS, Count, Factor, Params
from two_tower.simulation.latent_interests import INTERESTS

MAX_SHARE_RATED = 0.5
"""Largest share of the catalogue that one user may rate; users never rate twice."""


class TimelineParams(Params):
    """Months in which users rate movies."""

    start: date = Field(
        ge=date(1990, 1, 1),
        strict=False,  # YAML as Kedro reads it has no dates, only text
        description="first day; the first of a month",
    )
    months: int = Field(ge=2, le=600)

    @field_validator("start")
    @classmethod
    def _starts_a_month(cls, start: date) -> date:
        if start.day != 1:
            raise ValueError(f"timeline.start is {start}; give the first of a month")
        return start


class CatalogueParams(Params):
    """Popularity, arrival and series of the movies."""

    power: float = Field(ge=0, le=3, description="popularity falls as rank ** -power")
    head: Factor = Field(ge=0, description="added to each rank; flattens the top")
    obscure: float = Field(ge=0, lt=1, description="share with hardly any ratings")
    late: float = Field(ge=0, lt=1, description="share arriving after the first month")
    in_series: float = Field(ge=0, le=0.5, description="share with a sequel or prequel")
    crossover: float = Field(ge=0, le=1, description="share with a second interest")


class UserParams(Params):
    """Activity of the users, and how their interests differ and drift."""

    interests: int = Field(ge=1, le=len(INTERESTS), description="interests of one user")
    demographics: Factor = Field(
        ge=0,
        description="effect of age, gender, occupation and region on the interests",
    )
    drift: float = Field(
        ge=0, le=20, description="how sharply interests rise and fade; 0: constant"
    )
    shortest: int = Field(ge=1, description="ratings of the least active user")
    longest: int = Field(ge=1, description="ratings of the most active user")
    spread: float = Field(
        ge=0, le=3, description="standard deviation of log activity above `shortest`"
    )
    lifetime_days: float = Field(
        gt=0, le=36_525, description="mean days between a user's first and last session"
    )


class SessionParams(Params):
    """Length, time and contents of the sessions."""

    length: Factor = Field(ge=1, description="mean ratings in a session")
    sequel: float = Field(
        ge=0, le=1, description="chance that a user rates an awaited sequel next"
    )
    wide: float = Field(
        ge=0, le=1, description="share of ratings sampled by overall popularity"
    )
    novelty: Factor = Field(
        ge=0, description="extra popularity of a new movie, as a multiple of its own"
    )
    novelty_months: Factor = Field(
        gt=0, description="months in which the extra popularity falls to 1/e"
    )
    seasons: float = Field(ge=0, lt=1, description="strength of the seasons; 0: none")
    ties: float = Field(
        ge=0, le=1, description="share of ratings in the same second as the one before"
    )
    pause: float = Field(
        gt=0, le=86_400, description="mean seconds between the other ratings"
    )


class StarParams(Params):
    """Composition of a rating, in stars; deviations are standard deviations."""

    mean: float = Field(ge=0.5, le=5)
    user: Factor = Field(ge=0, description="deviation between users")
    movie: Factor = Field(ge=0, description="deviation between movies")
    match: Factor = Field(
        ge=0, description="effect of an interest that user and movie share"
    )
    noise: Factor = Field(ge=0, description="unexplained deviation")


class Recipe(Params):
    """All parameters of a simulated archive: equal recipes give equal bytes."""

    release: str = Field(description="format to write: a name in RELEASES")
    seed: int = Field(ge=0)
    n_users: Count
    n_movies: int = Field(ge=2 * len(INTERESTS), le=MOST_ROWS)
    n_ratings: Count
    users_per_chunk: int = Field(
        ge=1,
        le=100_000,
        description="users in memory at once; another number gives other ratings",
    )
    timeline: TimelineParams
    catalogue: CatalogueParams
    users: UserParams
    sessions: SessionParams
    stars: StarParams

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
        if longest > MAX_SHARE_RATED * self.n_movies:
            raise ValueError(
                f"users.longest is {longest}, more than {MAX_SHARE_RATED:.0%} of "
                f"the {self.n_movies} movies; lower it or add movies"
            )
        return self
