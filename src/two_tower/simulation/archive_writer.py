"""Write a simulation as the members of an archive, in a MovieLens release's format."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.movielens.releases import GENRES_100K, RatingScale, TextTable
from two_tower.simulation.random_streams import Ints, Purpose, random_stream
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.simulator import RatingChunk, Simulation
from two_tower.simulation.titles import word_list
from two_tower.simulation.users import AGE_BUCKETS, Users

OCCUPATIONS_100K: Final = word_list(
    "other, educator, artist, administrator, student, entertainment, healthcare, "
    "executive, librarian, homemaker, student, lawyer, programmer, retired, marketing, "
    "scientist, doctor, engineer, technician, none, writer"
)
"""Closest occupation name of ml-100k for each occupation code of ml-1m."""

_IMDB: Final = "http://us.imdb.com/M/title-exact"

_README: Final = """\
Simulated movies, users and ratings, written in the format of a MovieLens release by
the simulation pipeline of two-tower. No movie, user or rating in it is real, and none
of it is MovieLens data. This is the recipe that it was made from:

{recipe}
"""


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Attributes:
        name: path in the archive.
        chunks: returns an iterator over the file's bytes; each call starts anew.
    """

    name: str
    chunks: Callable[[], Iterator[bytes]]


def make_archive(recipe: Recipe) -> list[Member]:
    """Return the files of a simulated release; their bytes are generated when read."""
    simulation = Simulation.from_recipe(recipe)
    release = simulation.release
    tables: list[tuple[TextTable | None, Callable[[Simulation], Iterator[bytes]]]] = [
        (release.users, _users),
        (release.movies, _movies),
        (release.ratings, _ratings),
    ]
    return [
        Member(f"{release.folder}/README", partial(_readme, recipe)),
        *(
            Member(release.path(table), partial(write, simulation))
            for table, write in tables
            if table is not None
        ),
    ]


def _readme(recipe: Recipe) -> Iterator[bytes]:
    values = json.dumps(recipe.model_dump(mode="json"), indent=2)
    yield _README.format(recipe=values).encode()


def _users(simulation: Simulation) -> Iterator[bytes]:
    table = simulation.release.users
    if table is None:
        return
    is_exact = simulation.release.name == "ml-100k"
    for users in simulation.user_chunks():
        columns = _demographics(users) if is_exact else _bucketed_demographics(users)
        rows = zip(*(columns[name] for name in table.columns), strict=True)
        yield _lines(table, rows).encode(table.encoding)


def _demographics(users: Users) -> dict[str, Sequence[str]]:
    """Return the columns of ml-100k: exact ages, names of occupations."""
    return {
        "user_id": [str(user) for user in users.user_id],
        "age": [str(age) for age in users.age],
        "gender": users.gender,
        "occupation": [OCCUPATIONS_100K[code] for code in users.occupation],
        "zip": users.zip,
    }


def _bucketed_demographics(users: Users) -> dict[str, Sequence[str]]:
    """Return the columns of ml-1m: codes of age buckets and of occupations."""
    bucket = np.searchsorted(AGE_BUCKETS, users.age, side="right") - 1
    return _demographics(users) | {
        "age": [str(AGE_BUCKETS[one]) for one in bucket],
        "occupation": [str(code) for code in users.occupation],
    }


def _movies(simulation: Simulation) -> Iterator[bytes]:
    table = simulation.release.movies
    movies = simulation.movies
    is_modern = simulation.release.scale.step < 1
    genres = map(_modern_spelling, movies.genres) if is_modern else movies.genres
    rows = (
        _movie(table, str(movie_id), title, own)
        for movie_id, title, own in zip(
            movies.movie_id, movies.title, genres, strict=True
        )
    )
    header = "" if table.header is None else table.header + _line_end(table)
    yield (header + _lines(table, rows)).encode(table.encoding)


def _modern_spelling(genres: Iterable[str]) -> list[str]:
    """Return genres in the spelling of the releases with half stars."""
    return [genre.replace("Children's", "Children") for genre in genres]


def _movie(
    table: TextTable, movie_id: str, title: str, genres: Iterable[str]
) -> list[str]:
    values = {
        "movie_id": movie_id,
        "title": title,
        "genres": "|".join(genres),
        "release_date": f"01-Jan-{title[-5:-1]}",
        "video_release_date": "",
        "imdb_url": f"{_IMDB}?{quote(title, encoding='latin-1')}",
    }
    values |= {genre: str(int(genre in genres)) for genre in GENRES_100K}
    return [values[name] for name in table.columns]


def _lines(table: TextTable, rows: Iterable[Sequence[str]]) -> str:
    end = _line_end(table)
    return "".join(
        table.separator.join(_quoted(table, value) for value in row) + end
        for row in rows
    )


def _quoted(table: TextTable, value: str) -> str:
    if table.quoted and (table.separator in value or '"' in value):
        return '"' + value.replace('"', '""') + '"'
    return value


def _line_end(table: TextTable) -> str:
    return "\r\n" if table.quoted else "\n"


def _ratings(simulation: Simulation) -> Iterator[bytes]:
    table = simulation.release.ratings
    if table.header is not None:
        yield (table.header + _line_end(table)).encode(table.encoding)
    for chunk in simulation.rating_chunks():
        yield _rating_lines(simulation, chunk)


def _rating_lines(simulation: Simulation, chunk: RatingChunk) -> bytes:
    """Return the lines of a chunk's ratings, formatted column by column."""
    table, scale = simulation.release.ratings, simulation.release.scale
    order = _file_order(simulation, chunk)
    movie = chunk.rated.movie[order]
    columns = {
        "user_id": _as_text(chunk.users.user_id[chunk.schedule.user[order]]),
        "movie_id": _as_text(simulation.movies.movie_id[movie]),
        "rating": _as_stars(scale, chunk.stars[order]),
        "timestamp": _as_text(chunk.schedule.timestamp[order]),
    }
    values = [columns[name] for name in table.columns]
    rows = pc.binary_join_element_wise(*values, table.separator)
    end = _line_end(table)
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(rows)], rows), end)
    text: str = joined[0].as_py() + end
    return text.encode(table.encoding)


def _file_order(simulation: Simulation, chunk: RatingChunk) -> Ints:
    """Return the order of a chunk's lines in the real release.

    ml-100k is shuffled, ml-1m is sorted by user, later releases by user and movie.
    """
    user = chunk.schedule.user
    if simulation.release.name == "ml-100k":
        rng = random_stream(simulation.recipe.seed, Purpose.FILE_ORDER, chunk.number)
        return rng.permutation(len(user))
    if simulation.release.scale.step == 1:
        return np.arange(len(user))
    return np.lexsort((chunk.rated.movie, user))


def _as_text(numbers: Ints) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _as_stars(scale: RatingScale, stars: np.ndarray) -> pa.Array:
    count = round((scale.highest - scale.lowest) / scale.step) + 1
    texts = [
        format(scale.lowest + step * scale.step, scale.text) for step in range(count)
    ]
    step = np.rint((stars - scale.lowest) / scale.step).astype(np.int64)
    return pa.array(texts).take(pa.array(step))
