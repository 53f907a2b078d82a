"""Read a release's movies: id, title, genres and year."""

import re
from pathlib import Path
from typing import Final

import pyarrow as pa

from two_tower.movielens.archive import ArchiveError
from two_tower.movielens.releases import GENRES_100K, NO_GENRES, Release
from two_tower.movielens.rows import parse_int, read_rows

MOVIES_SCHEMA: Final = pa.schema(
    {
        "movie_id": pa.int64(),
        "title": pa.string(),
        "genres": pa.list_(pa.string()),
        "year": pa.int32(),
    }
)

# "(1995)"; series have "(1975-1979)" or "(1989- )", with a hyphen or an en dash.
_YEAR = re.compile(r"\(\s*((?:18|19|20)\d\d)\s*(?:[-\u2013]\s*(?:\d{4})?\s*)?\)")


def read_movies(path: Path, release: Release) -> pa.Table:
    """Read the movies of an archive, in file order.

    Titles are not unique: ml-100k has 1,664 titles for 1,682 movies.

    Args:
        path: the archive.
        release: format of the archive.

    Returns:
        One row per movie, of `MOVIES_SCHEMA`: `movie_id`, unique; `title`, unchanged;
        `genres`, empty if the release gives none; `year` in the title, or null.

    Raises:
        ArchiveError: `read_rows` fails, or an id is not a number or not unique.
    """
    where = f"{release.path(release.movies)} in {path}"
    line_of: dict[int, int] = {}
    titles, genres, years = [], [], []
    for number, row in read_rows(path, release, release.movies):
        movie_id = parse_int(row["movie_id"], "movie_id", number, where)
        if movie_id in line_of:
            raise ArchiveError(
                f"movie {movie_id} is on lines {line_of[movie_id]} and {number} of "
                f"{where}; ids of movies must be unique"
            )
        line_of[movie_id] = number
        titles.append(row["title"])
        genres.append(_genres(row))
        years.append(parse_year(row["title"]))
    return pa.table([list(line_of), titles, genres, years], schema=MOVIES_SCHEMA)


def parse_year(title: str) -> int | None:
    """Return the year in the last parenthesis of a title that holds one, or None.

    The year of a series, "(1975-1979)", is the first one.
    """
    years = _YEAR.findall(title)
    return int(years[-1]) if years else None


def _genres(row: dict[str, str]) -> list[str]:
    names = (
        row["genres"].split("|")
        if "genres" in row
        else [genre for genre in GENRES_100K if row[genre] == "1"]
    )
    return [name for name in names if name not in NO_GENRES]
