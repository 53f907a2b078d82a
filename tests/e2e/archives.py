"""Additions to a MovieLens archive that the project has already read."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

NEW_USERS = [901, 902, 903]
RATED_MOVIE, UNRATED_MOVIE = 9001, 9002
NEW_GENRE = "Anime"


def read_lines(archive: Path, table: str) -> list[str]:
    """Return the lines of a table of an archive in ml-1m's format."""
    with zipfile.ZipFile(archive) as opened:
        return opened.read(f"ml-1m/{table}.dat").decode("latin-1").splitlines()


def append_lines(archive: Path, added: Mapping[str, list[str]]) -> None:
    """Append lines to tables of the archive."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    for table, lines in added.items():
        text = "".join(f"{line}\n" for line in lines)
        files[f"ml-1m/{table}.dat"] += text.encode("latin-1")
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)


def add_movie(archive: Path, movie: int, like: int) -> None:
    """Add a movie with the title and the genres of another one.

    Args:
        archive: archive in ml-1m's format.
        movie: id of the new movie.
        like: id of the other movie.
    """
    (model,) = (
        line for line in read_lines(archive, "movies") if line.startswith(f"{like}::")
    )
    append_lines(archive, {"movies": [model.replace(f"{like}::", f"{movie}::", 1)]})


def grow_archive(archive: Path) -> None:
    """Add three users and two movies with new feature values.

    The new users have a new occupation and new zip codes, and the ratings of the first
    three users, later than all other ratings. The new movies have a new genre. The new
    users and some of the others have rated one of them, not as their last movie, so
    that training sees it.
    """
    ratings = [line.split("::") for line in read_lines(archive, "ratings")]
    latest = max(int(rating[3]) for rating in ratings)
    copied = [
        f"{user}::{movie}::{stars}::{latest + position}"
        for like, user in enumerate(NEW_USERS, start=1)
        for position, (rater, movie, stars, _) in enumerate(ratings, start=1)
        if rater == str(like)
    ]
    fans = dict.fromkeys(NEW_USERS, latest)
    for user, _, _, when in ratings[:: len(ratings) // 8]:
        fans.setdefault(user, when)
    append_lines(
        archive,
        {
            "movies": [
                f"{RATED_MOVIE}::Voyage of the Lantern (2003)::{NEW_GENRE}|Drama",
                f"{UNRATED_MOVIE}::Lantern Returns, The (2004)::{NEW_GENRE}",
            ],
            "users": [f"{user}::F::25::20::99{user}" for user in NEW_USERS],
            "ratings": [
                *copied,
                *(f"{fan}::{RATED_MOVIE}::5::{when}" for fan, when in fans.items()),
            ],
        },
    )
