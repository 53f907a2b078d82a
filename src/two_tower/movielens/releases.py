"""Format of each MovieLens release: folder, tables, separators, addresses, checksums.

Reading, downloading and simulating use these descriptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

GROUPLENS: Final = "https://files.grouplens.org/datasets/movielens"

GENRES_100K: Final = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""Order of the 19 genre flags at the end of each line of ml-100k's `u.item`."""

NO_GENRES: Final = frozenset({"unknown", "(no genres listed)", ""})
"""Values that releases write for a movie without genres."""


@dataclass(frozen=True)
class TextTable:
    """Format of one table.

    Attributes:
        member: name of the file in the release's folder.
        separator: text between two values of a line.
        encoding: `latin-1` or `utf-8`.
        columns: this project's names of the values of a line, in order. A genre flag
            of ml-100k is named after its genre.
        header: first line of the file, or None.
        quoted: whether values are quoted as in CSV: in double quotes if they hold the
            separator or a quote, with quotes doubled.
    """

    member: str
    separator: str
    encoding: Literal["latin-1", "utf-8"]
    columns: tuple[str, ...]
    header: str | None = None
    quoted: bool = False


@dataclass(frozen=True)
class RatingScale:
    """Ratings of a release, in stars: from `lowest` to `highest` in steps of `step`.

    `text` is the format specification of a rating in the file (`g`: 4 and 3.5; `.1f`:
    4.0 and 3.5).
    """

    lowest: float
    highest: float
    step: float
    text: Literal["g", ".1f"]


@dataclass(frozen=True)
class Release:
    """One MovieLens release.

    Attributes:
        name: GroupLens' name; the archive is `<name>.zip`.
        folder: folder of all tables in the archive.
        ratings: user, movie, rating, seconds since 1970 (UTC).
        movies: id, title with the year in the last parenthesis, genres.
        users: demographics, or None if the release has none.
        scale: allowed ratings.
        url: address of the published archive; None: not published.
        md5: published MD5 of the archive; None: it changes, so read it at `md5_url`.
    """

    name: str
    folder: str
    ratings: TextTable
    movies: TextTable
    users: TextTable | None
    scale: RatingScale
    url: str | None
    md5: str | None

    @property
    def md5_url(self) -> str | None:
        """Address of the archive's published MD5; None without a `url`."""
        return None if self.url is None else f"{self.url}.md5"

    def path(self, table: TextTable) -> str:
        """Return a table's path inside the archive."""
        return f"{self.folder}/{table.member}"


_RATING_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
_MOVIE_COLUMNS = ("movie_id", "title", "genres")
_WHOLE_STARS = RatingScale(lowest=1.0, highest=5.0, step=1.0, text="g")


def _url(name: str) -> str:
    return f"{GROUPLENS}/{name}.zip"


_ML_100K = Release(
    name="ml-100k",
    folder="ml-100k",
    ratings=TextTable("u.data", "\t", "latin-1", _RATING_COLUMNS),
    movies=TextTable(
        "u.item",
        "|",
        "latin-1",
        (
            "movie_id",
            "title",
            "release_date",
            "video_release_date",
            "imdb_url",
            *GENRES_100K,
        ),
    ),
    users=TextTable(
        "u.user", "|", "latin-1", ("user_id", "age", "gender", "occupation", "zip")
    ),
    scale=_WHOLE_STARS,
    url=_url("ml-100k"),
    md5="0e33842e24a9c977be4e0107933c0723",
)

_ML_1M = Release(
    name="ml-1m",
    folder="ml-1m",
    ratings=TextTable("ratings.dat", "::", "latin-1", _RATING_COLUMNS),
    movies=TextTable("movies.dat", "::", "latin-1", _MOVIE_COLUMNS),
    users=TextTable(
        "users.dat", "::", "latin-1", ("user_id", "gender", "age", "occupation", "zip")
    ),
    scale=_WHOLE_STARS,
    url=_url("ml-1m"),
    md5="c4d9eecfca2ab87c1945afe126590906",
)

_ML_10M = Release(
    name="ml-10m",
    folder="ml-10M100K",
    ratings=TextTable("ratings.dat", "::", "utf-8", _RATING_COLUMNS),
    movies=TextTable("movies.dat", "::", "utf-8", _MOVIE_COLUMNS),
    users=None,
    scale=RatingScale(lowest=0.5, highest=5.0, step=0.5, text="g"),
    url=_url("ml-10m"),
    md5="ce571fd55effeba0271552578f2648bd",
)


def _as_csv(name: str, md5: str | None) -> Release:
    return Release(
        name=name,
        folder=name,
        ratings=TextTable(
            "ratings.csv",
            ",",
            "utf-8",
            _RATING_COLUMNS,
            header="userId,movieId,rating,timestamp",
            quoted=True,
        ),
        movies=TextTable(
            "movies.csv",
            ",",
            "utf-8",
            _MOVIE_COLUMNS,
            header="movieId,title,genres",
            quoted=True,
        ),
        users=None,
        scale=RatingScale(lowest=0.5, highest=5.0, step=0.5, text=".1f"),
        url=_url(name),
        md5=md5,
    )


RELEASES: Final[Mapping[str, Release]] = MappingProxyType(
    {
        release.name: release
        for release in (
            _ML_100K,
            _ML_1M,
            _ML_10M,
            _as_csv("ml-20m", "cd245b17a1ae2cc31bb14903e1204af3"),
            _as_csv("ml-25m", "6b51fb2759a8657d3bfcbfc42b592ada"),
            _as_csv("ml-32m", "d472be332d4daa821edc399621853b57"),
            _as_csv("ml-latest-small", None),
            _as_csv("ml-latest", None),
            # The project's own archive, made by `simulation`.
            replace(_ML_1M, name="simulated", url=None, md5=None),
        )
    }
)
"""All releases by name, and `simulated`, which has the format of ml-1m."""
