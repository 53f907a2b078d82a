"""Read a release's ratings as a stream, in memory independent of their number."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from two_tower.movielens.archive import ArchiveError, open_table
from two_tower.movielens.movies import read_movies
from two_tower.movielens.releases import RatingScale, Release, TextTable
from two_tower.movielens.rows import check_header

CHUNK_BYTES: Final = 8 * 2**20
"""Bytes parsed at once: about 300,000 ratings, enough for pyarrow to use every core."""

RATINGS_SCHEMA: Final = pa.schema(
    {
        "event_id": pa.int64(),
        "user_id": pa.int64(),
        "movie_id": pa.int64(),
        "rating": pa.float32(),
        "timestamp": pa.int64(),
    }
)

# pyarrow splits at one character, so "::" is replaced by this one.
_UNIT_SEPARATOR = "\x1f"

# pyarrow would read 0x10 as 16.
_HEXADECIMAL = (b"x", b"X")


def read_ratings(path: Path, release: Release) -> Iterator[pa.RecordBatch]:
    """Read the ratings of an archive, in file order, a chunk at a time.

    Args:
        path: the archive.
        release: format of the archive.

    Yields:
        Batches of `RATINGS_SCHEMA`: `event_id` counts the ratings of the file from 0;
        `rating` is in stars; `timestamp` in seconds since 1970, UTC.

    Raises:
        ArchiveError: `open_table` fails, a line is not a rating, a rating is off the
            release's scale, or its movie is not in the release.
    """
    where = f"{release.path(release.ratings)} in {path}"
    movies = read_movies(path, release)["movie_id"].combine_chunks()
    table = release.ratings
    n_headers = 0 if table.header is None else 1
    n_ratings = 0
    with open_table(path, release, table) as stream:
        if table.header is not None:
            header = stream.readline(CHUNK_BYTES).decode("latin-1")
            check_header(header.rstrip("\r\n"), table, where)
        for lines in read_line_chunks(stream):
            first_line = n_ratings + n_headers + 1
            ratings = _parse(lines, table, first_line, where)
            _refuse_off_scale(ratings, release.scale, first_line, where)
            _refuse_unlisted(ratings, movies, first_line, where)
            event_ids = pa.array(np.arange(n_ratings, n_ratings + len(ratings)))
            yield from ratings.add_column(0, "event_id", event_ids).to_batches()
            n_ratings += len(ratings)
    if n_ratings == 0:
        raise ArchiveError(f"{where} holds no ratings")


def read_line_chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a stream in chunks of about `CHUNK_BYTES` that end at line ends.

    A line longer than a chunk is not a rating, and is cut.
    """
    rest = b""
    while block := stream.read(CHUNK_BYTES):
        end = block.rfind(b"\n") + 1
        yield rest + block[: end or len(block)]
        rest = block[end:] if end else b""
    if rest:
        yield rest


def _parse(chunk: bytes, table: TextTable, first_line: int, where: str) -> pa.Table:
    parse = partial(_parse_lines, table=table)
    try:
        return parse(chunk)
    except pa.ArrowInvalid as error:
        lines = chunk.splitlines(keepends=True)
        index = _first_malformed(lines, parse)
        raise ArchiveError(
            f"line {first_line + index} of {where} is not a rating: "
            f"{lines[index][:80]!r}; expected are numbers for "
            f"{', '.join(table.columns)}, separated by {table.separator!r}, all of "
            "them whole except the rating"
        ) from error


def _parse_lines(lines: bytes, table: TextTable) -> pa.Table:
    if any(lines.find(letter) >= 0 for letter in _HEXADECIMAL):
        raise pa.ArrowInvalid("a hexadecimal number")
    separator = table.separator
    if len(separator) > 1:
        lines = lines.replace(separator.encode(), _UNIT_SEPARATOR.encode())
        separator = _UNIT_SEPARATOR
    return csv.read_csv(
        pa.BufferReader(lines),
        read_options=csv.ReadOptions(column_names=table.columns),
        parse_options=csv.ParseOptions(
            delimiter=separator,
            quote_char='"' if table.quoted else False,
            ignore_empty_lines=False,
        ),
        convert_options=csv.ConvertOptions(column_types=RATINGS_SCHEMA, null_values=[]),
    )


def _first_malformed(lines: list[bytes], parse: Callable[[bytes], pa.Table]) -> int:
    # Bisection: all lines before `start` parse, and one of `start:stop` doesn't.
    start, stop = 0, len(lines)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            parse(b"".join(lines[start:middle]))
        except pa.ArrowInvalid:
            stop = middle
        else:
            start = middle
    return start


def _refuse_off_scale(
    ratings: pa.Table, scale: RatingScale, first_line: int, where: str
) -> None:
    rating = ratings["rating"]
    steps = pc.divide(rating, pa.scalar(scale.step, pa.float32()))
    # NaN fails every comparison, so it is refused, too.
    is_valid = pc.and_(
        pc.equal(steps, pc.floor(steps)),
        pc.and_(
            pc.greater_equal(rating, scale.lowest),
            pc.less_equal(rating, scale.highest),
        ),
    )
    first = pc.index(is_valid, value=False).as_py()
    if first >= 0:
        raise ArchiveError(
            f"line {first_line + first} of {where} has a rating of {rating[first]}; "
            f"allowed are {scale.lowest:g} to {scale.highest:g} in steps of "
            f"{scale.step:g}"
        )


def _refuse_unlisted(
    ratings: pa.Table, movies: pa.Array, first_line: int, where: str
) -> None:
    movie_id = ratings["movie_id"]
    first = pc.index(pc.is_in(movie_id, value_set=movies), value=False).as_py()
    if first >= 0:
        raise ArchiveError(
            f"line {first_line + first} of {where} rates movie {movie_id[first]}, "
            f"which is none of the archive's {len(movies)} movies"
        )
