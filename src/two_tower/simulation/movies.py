"""Draw the movies: interests, years, arrival, popularity, genres and titles."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.random_streams import Bools, Floats, Ints, Purpose, generator
from two_tower.simulation.recipe import Catalogue, Recipe
from two_tower.simulation.sequels import (
    Series,
    make_series,
    release_dates,
    series_interests,
)
from two_tower.simulation.titles import TitleMaker

NOWHERE: Final = -1
"""Stands for "no movie" among rows of movies and for "none" among interests."""

MOST_GENRES: Final = 4

_SEQUEL_APPEAL: Final = 0.75  # of the part before
_OBSCURE_APPEAL: Final = 0.002  # of what the rank would give
_SHARE_OF_ID_GAPS: Final = 0.02
_MAIN_GENRE: Final = 0.95  # chances that a movie has its interest's main genre,
_OTHER_GENRE: Final = 0.55  # each other genre of its interest,
_FOREIGN_GENRE: Final = 0.01  # and each that is not its interest's
_GENRES: Final = tuple(sorted({genre for one in INTERESTS for genre in one.genres}))


@dataclass(frozen=True)
class Movies:
    """The catalogue in order of arrival; every array has one entry per movie.

    Attributes:
        movie_id: int64, rising, with gaps as in MovieLens.
        title: with the year in parentheses.
        year: int64, of release.
        genres: one to four of MovieLens' 18, in alphabetical order.
        interest: int64, the row in `INTERESTS` that the movie serves.
        second_interest: int64, another that it serves less, or `NOWHERE`.
        popularity: float64, its weight among the movies of its interest.
        quality: float64, standard deviations above the middling movie.
        arrival: int64, the month of the timeline from which it can be rated.
        sequel: int64, the row of the next part of its series, or `NOWHERE`.
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


def make_movies(recipe: Recipe) -> Movies:
    """Return the catalogue of a recipe."""
    rng = generator(recipe.seed, Purpose.MOVIES)
    series = make_series(recipe.n_movies, recipe.catalogue.in_series, rng)
    interest = series_interests(len(series.size), rng)[series.of]
    year, arrival = release_dates(recipe, series, interest, rng)
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
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    has_sequel = series.part + 1 < series.size[series.of]
    return np.where(has_sequel, np.roll(place, -1), NOWHERE)[order]


def _popularity(shape: Catalogue, series: Series, rng: np.random.Generator) -> Floats:
    n_movies = len(series.of)
    weight = (rng.permutation(n_movies) + 1 + shape.head) ** -shape.power
    # A series is as popular as its first part, each later part a little less.
    weight = weight[series.part == 0][series.of] * _SEQUEL_APPEAL**series.part
    obscure = (rng.random(n_movies) < shape.obscure) & (series.part == 0)
    obscure &= series.size[series.of] == 1
    popularity: Floats = np.where(obscure, _OBSCURE_APPEAL, 1.0) * weight
    return popularity


def _quality(popularity: Floats, rng: np.random.Generator) -> Floats:
    fame = np.log(popularity)
    fame = (fame - fame.mean()) / max(float(fame.std()), 1e-9)
    quality: Floats = 0.5 * fame + np.sqrt(0.75) * rng.standard_normal(len(fame))
    return quality


def _second_interests(interest: Ints, share: float, rng: np.random.Generator) -> Ints:
    """Draw another interest with a genre in common, for a share of the movies."""
    relatives = [
        [
            row
            for row, other in enumerate(INTERESTS)
            if other is not one and set(one.genres) & set(other.genres)
        ]
        or [NOWHERE]
        for one in INTERESTS
    ]
    place = rng.random(len(interest))
    drawn = [
        relatives[one][int(where * len(relatives[one]))]
        for one, where in zip(interest, place, strict=True)
    ]
    return np.where(rng.random(len(interest)) < share, drawn, NOWHERE)


def _genres(
    series: Series, interest: Ints, rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """Draw the genres of each series: mostly its interest's, at least one of them."""
    chance = np.array([_genre_chances(one.genres) for one in INTERESTS])
    of_series = interest[series.part == 0]
    has = rng.random((len(of_series), len(_GENRES))) < chance[of_series]
    genres = [
        _named(row, INTERESTS[one].genres[0])
        for row, one in zip(has, of_series, strict=True)
    ]
    return [genres[one] for one in series.of]


def _genre_chances(genres: tuple[str, ...]) -> list[float]:
    main, *others = genres
    own = {main: _MAIN_GENRE} | dict.fromkeys(others, _OTHER_GENRE)
    return [own.get(genre, _FOREIGN_GENRE) for genre in _GENRES]


def _named(has: Bools, main: str) -> tuple[str, ...]:
    names = [genre for genre, flag in zip(_GENRES, has, strict=True) if flag]
    return tuple(names[:MOST_GENRES]) or (main,)


def _titles(seed: int, series: Series, interest: Ints, year: Ints) -> list[str]:
    maker = TitleMaker(generator(seed, Purpose.TITLES))
    ends = np.cumsum(series.size)
    return [
        title
        for start, end in zip(ends - series.size, ends, strict=True)
        for title in maker.titles(
            INTERESTS[interest[start]].words, year[start:end].tolist()
        )
    ]
