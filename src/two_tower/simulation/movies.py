"""Sample the movies: interests, years, arrival, popularity, genres and titles."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import (
    Bools,
    Floats,
    Ints,
    Purpose,
    random_stream,
)
from two_tower.simulation.recipe import CatalogueParams, Recipe
from two_tower.simulation.sequels import (
    Series,
    sample_release_dates,
    sample_series,
    sample_series_interests,
)
from two_tower.simulation.titles import TitleMaker

NONE: Final = -1
"""Index of no movie and of no interest."""

MAX_GENRES: Final = 4

_SEQUEL_POPULARITY: Final = 0.75  # relative to the part before
_OBSCURE_POPULARITY: Final = 0.002  # relative to the weight of the movie's rank
_SHARE_OF_ID_GAPS: Final = 0.02
_MAIN_GENRE: Final = 0.95  # chance that a movie has the main genre of its interest,
_OTHER_GENRE: Final = 0.55  # each other genre of its interest,
_FOREIGN_GENRE: Final = 0.01  # and each remaining genre
_GENRES: Final = tuple(sorted({genre for one in INTERESTS for genre in one.genres}))


@dataclass(frozen=True)
class Movies:
    """The catalogue in order of arrival; every array has one entry per movie.

    Attributes:
        movie_id: int64, rising, with gaps as in MovieLens.
        title: with the year in parentheses.
        year: int64, release year.
        genres: one to four of MovieLens' 18, in alphabetical order.
        interest: int64, index of the movie's interest in `INTERESTS`.
        second_interest: int64, index of a weaker second interest, or `NONE`.
        popularity: float64, weight among the movies of its interest.
        quality: float64, standard deviations above the average movie.
        arrival: int64, first month of the timeline in which it can be rated.
        sequel: int64, index of the next part of its series, or `NONE`.
    """

    movie_id: Ints
    title: list[str]
    year: Ints
    genres: list[tuple[str, ...]]
    interest: Ints
    second_interest: Ints
    popularity: Floats
    quality: Floats
    arrival: Ints
    sequel: Ints


def sample_movies(recipe: Recipe) -> Movies:
    """Return the catalogue of a recipe."""
    rng = random_stream(recipe.seed, Purpose.MOVIES)
    series = sample_series(recipe.n_movies, recipe.catalogue.in_series, rng)
    interest = sample_series_interests(len(series.size), rng)[series.of]
    year, arrival = sample_release_dates(recipe, series, interest, rng)
    popularity = _popularity(recipe.catalogue, series, rng)
    genres = _genres(series, interest, rng)
    titles = _titles(recipe.seed, series, interest, year)
    second = _second_interests(interest, recipe.catalogue.crossover, rng)
    quality = _quality(popularity, rng)
    # From series order to order of arrival.
    order = np.lexsort((rng.random(recipe.n_movies), arrival))
    return Movies(
        movie_id=np.cumsum(1 + (rng.random(recipe.n_movies) < _SHARE_OF_ID_GAPS)),
        title=[titles[row] for row in order],
        year=year[order],
        genres=[genres[row] for row in order],
        interest=interest[order],
        second_interest=second[order],
        popularity=popularity[order],
        quality=quality[order],
        arrival=arrival[order],
        sequel=_sequels(series, order),
    )


def _sequels(series: Series, order: Ints) -> Ints:
    index = np.empty_like(order)
    index[order] = np.arange(len(order))
    has_sequel = series.part + 1 < series.size[series.of]
    return np.where(has_sequel, np.roll(index, -1), NONE)[order]


def _popularity(
    shape: CatalogueParams, series: Series, rng: np.random.Generator
) -> Floats:
    n_movies = len(series.of)
    weight = (rng.permutation(n_movies) + 1 + shape.head) ** -shape.power
    # All parts of a series start from the weight of its first part.
    weight = weight[series.part == 0][series.of] * _SEQUEL_POPULARITY**series.part
    is_obscure = (rng.random(n_movies) < shape.obscure) & (series.part == 0)
    is_obscure &= series.size[series.of] == 1
    popularity: Floats = np.where(is_obscure, _OBSCURE_POPULARITY, 1.0) * weight
    return popularity


def _quality(popularity: Floats, rng: np.random.Generator) -> Floats:
    """Sample a quality of variance 1, correlated with log popularity by 0.5."""
    fame = np.log(popularity)
    fame = (fame - fame.mean()) / max(float(fame.std()), 1e-9)
    quality: Floats = 0.5 * fame + np.sqrt(0.75) * rng.standard_normal(len(fame))
    return quality


def _second_interests(interest: Ints, share: float, rng: np.random.Generator) -> Ints:
    """Sample another interest with a common genre, for a share of the movies."""
    related = [
        [
            row
            for row, other in enumerate(INTERESTS)
            if other is not one and set(one.genres) & set(other.genres)
        ]
        or [NONE]
        for one in INTERESTS
    ]
    uniform = rng.random(len(interest))
    second = [
        related[one][int(fraction * len(related[one]))]
        for one, fraction in zip(interest, uniform, strict=True)
    ]
    return np.where(rng.random(len(interest)) < share, second, NONE)


def _genres(
    series: Series, interest: Ints, rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """Sample genres per series, mostly those of its interest, at least one."""
    chance = np.array([_genre_chances(one.genres) for one in INTERESTS])
    of_series = interest[series.part == 0]
    has = rng.random((len(of_series), len(_GENRES))) < chance[of_series]
    genres = [
        _genre_names(row, INTERESTS[one].genres[0])
        for row, one in zip(has, of_series, strict=True)
    ]
    return [genres[one] for one in series.of]


def _genre_chances(genres: tuple[str, ...]) -> list[float]:
    main, *others = genres
    own = {main: _MAIN_GENRE} | dict.fromkeys(others, _OTHER_GENRE)
    return [own.get(genre, _FOREIGN_GENRE) for genre in _GENRES]


def _genre_names(has: Bools, main: str) -> tuple[str, ...]:
    names = [genre for genre, flag in zip(_GENRES, has, strict=True) if flag]
    return tuple(names[:MAX_GENRES]) or (main,)


def _titles(seed: int, series: Series, interest: Ints, year: Ints) -> list[str]:
    maker = TitleMaker(random_stream(seed, Purpose.TITLES))
    ends = np.cumsum(series.size)
    return [
        title
        for start, end in zip(ends - series.size, ends, strict=True)
        for title in maker.make_titles(
            INTERESTS[interest[start]].words, year[start:end].tolist()
        )
    ]
