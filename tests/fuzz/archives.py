"""Damage MovieLens archives, and read them: refused in a clear sentence, or right.

    python -m tests.fuzz.archives --count 2000

What a damaged archive gives is compared with a reader of its own here, which splits
lines and calls `int` and `float`. A refusal names the archive.
"""

import argparse
import io
import random
import signal
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kedro.io import DatasetError

from tests.movielens.archives import FILES, LATIN_1
from two_tower.datasets.movielens_table import TABLES, MovieLensTableDataset
from two_tower.movielens.releases import RELEASES

SECONDS: Final = 20
"""A reading that takes longer hangs: the archives have a dozen lines."""

NUMBERS: Final = (
    *("", " ", "-1", "0", "1.5", "1e3", "0x10", "1_000", "+5", "٣", "nan", "inf", "x"),
    *("9" * 30, "9223372036854775808", " 7", "7 ", "\0", "007", "1,5", '"5"', "None"),
)
"""Texts in place of a number."""

LINES: Final = ("", " ", "\0", "::::::", "x", '"', "\ufeff", "\u2028", "a" * 70_000)
"""Texts in place of a line."""


@dataclass(frozen=True)
class Outcome:
    """What reading an archive came to.

    Attributes:
        kind: `right`, `refused`, `raw` (another error) or `odd` (other rows).
        detail: of a fault.
    """

    kind: str
    detail: str = ""


def pack(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def sound_files(release: str) -> dict[str, bytes]:
    """Return the files of a release, as bytes."""
    encoding = "latin-1" if release in LATIN_1 else "utf-8"
    return {name: text.encode(encoding) for name, text in FILES[release].items()}


def damage(release: str, chosen: random.Random) -> bytes:
    """Return an archive with one fault."""
    files = sound_files(release)
    return chosen.choice(DAMAGES)(files, chosen)


def damage_bytes(files: dict[str, bytes], chosen: random.Random) -> bytes:
    """Flip, zero, cut, repeat or insert bytes of the archive."""
    packed = bytearray(pack(files))
    at, size = chosen.randrange(len(packed)), chosen.choice([1, 1, 4, 64])
    kind = chosen.choice(["flip", "zero", "cut", "repeat", "insert", "noise"])
    if kind == "flip":
        packed[at] ^= 1 << chosen.randrange(8)
    elif kind == "zero":
        packed[at : at + size] = bytes(len(packed[at : at + size]))
    elif kind == "cut":
        del packed[at:]
    elif kind == "repeat":
        packed[at:at] = packed[at : at + size]
    elif kind == "insert":
        packed[at:at] = chosen.randbytes(size)
    else:
        packed[at : at + size] = chosen.randbytes(len(packed[at : at + size]))
    return bytes(packed)


def damage_members(files: dict[str, bytes], chosen: random.Random) -> bytes:
    """Lose, rename, empty, exchange or add members, or pack them another way."""
    one, other = chosen.sample(sorted(files), 2)
    kind = chosen.randrange(8)
    if kind == 0:
        del files[one]
    elif kind == 1:
        names = [one.upper(), f"x/{one}", one.split("/")[1]]
        files[chosen.choice(names)] = files.pop(one)
    elif kind == 2:
        files[one] = b""
    elif kind == 3:
        files[one], files[other] = files[other], files[one]
    elif kind == 4:
        files["README.txt"] = b"hello"
    elif kind == 5:
        files[chosen.choice(["../evil", "/evil", "C:\\evil"])] = b"x"
    elif kind == 6:
        return pack(files, chosen.choice([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    else:
        files[one] *= 2
    return pack(files)


def damage_lines(files: dict[str, bytes], chosen: random.Random) -> bytes:
    """Change, lose, repeat, join or move lines of a table, or its line ends."""
    name = chosen.choice(sorted(files))
    end = b"\r\n" if b"\r\n" in files[name] else b"\n"
    lines = files[name].split(end)
    at = chosen.randrange(len(lines))
    kind = chosen.randrange(8)
    if kind == 0:
        lines[at] = chosen.choice(LINES).encode("utf-8", "replace")
    elif kind == 1:
        lines.insert(at, lines[at])
    elif kind == 2:
        lines.insert(at, chosen.choice(LINES).encode("utf-8", "replace"))
    elif kind == 3:
        del lines[at]
    elif kind == 4:
        lines[at : at + 2] = [b"".join(lines[at : at + 2])]
    elif kind == 5:
        chosen.shuffle(lines)
    elif kind == 6:
        lines[at] += chosen.choice([b" ", b"::", b"\t", b"|", b",", b"\xff", b"\xc3"])
    else:
        end = chosen.choice([b"\r\n", b"\n", b"\r", b"\n\n"])
    files[name] = end.join(lines)
    return pack(files)


def damage_values(files: dict[str, bytes], chosen: random.Random) -> bytes:
    """Put another text in place of one value."""
    name = chosen.choice(sorted(files))
    separator = next(s for s in (b"::", b"\t", b"|", b",") if s in files[name])
    lines = files[name].split(b"\n")
    at = chosen.randrange(len(lines))
    values = lines[at].split(separator)
    values[chosen.randrange(len(values))] = chosen.choice(NUMBERS).encode("utf-8")
    lines[at] = separator.join(values)
    files[name] = b"\n".join(lines)
    return pack(files)


DAMAGES: Final[tuple[Callable[[dict[str, bytes], random.Random], bytes], ...]] = (
    damage_bytes,
    damage_members,
    damage_lines,
    damage_values,
    damage_values,
)


def read_plainly(archive: bytes, release: str) -> list[tuple[int, int, float, int]]:
    """Return the ratings, read by a few lines of Python.

    Raises:
        Exception: of any kind, where it can't.
    """
    form = RELEASES[release]
    table = form.ratings
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        text = opened.read(form.path(table)).decode(table.encoding)
    lines = (
        text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    )
    rows = [line.split(table.separator) for line in lines]
    found = []
    for values in rows[1:] if table.header else rows:
        user, movie, stars, second = (value.strip('"') for value in values)
        found.append((int(user), int(movie), float(stars), int(second)))
    return found


def read(archive: Path, release: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all tables, as the project reads them."""
    return {
        table: MovieLensTableDataset(
            filepath=str(archive), release=release, table=table
        )
        .load()
        .to_pyarrow()
        .to_pylist()
        for table in TABLES
    }


def judge(archive: bytes, release: str, path: Path) -> Outcome:
    """Read a damaged archive, and say what it came to."""
    path.write_bytes(archive)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(SECONDS)
    try:
        tables = read(path, release)
    except DatasetError as error:
        if path.name in str(error) and "Traceback" not in str(error):
            return Outcome("refused")
        return Outcome("raw", f"DatasetError: {error}")
    except Exception as error:  # noqa: BLE001 (that is what is looked for)
        return Outcome("raw", f"{type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
    return compare(tables, archive, release)


def _stop(*_: object) -> None:
    raise TimeoutError(f"reading takes more than {SECONDS} seconds")


def compare(tables: dict[str, Any], archive: bytes, release: str) -> Outcome:
    """Compare the tables of an archive with what a plain reader finds in it."""
    rows = [
        (row["user_id"], row["movie_id"], row["rating"], row["timestamp"])
        for row in tables["ratings"]
    ]
    try:
        expected = read_plainly(archive, release)
    except Exception as error:  # noqa: BLE001 (that is what is looked for)
        return Outcome("odd", f"read {rows}, plainly {type(error).__name__}: {error}")
    if rows != expected:
        return Outcome("odd", f"read {rows}, plainly {expected}")
    for table, key in (("movies", "movie_id"), ("users", "user_id")):
        ids = [row[key] for row in tables[table]]
        if len(set(ids)) < len(ids):
            return Outcome("odd", f"{table} repeat an id: {ids}")
    return Outcome("right")


def trial(count: int, seed: int, folder: Path) -> Iterator[tuple[int, str, Outcome]]:
    """Yield the number, release and outcome of each damaged archive."""
    releases = sorted(FILES)
    for number in range(count):
        chosen = random.Random(f"{seed}-{number}")  # noqa: S311 (no secret)
        release = chosen.choice(releases)
        archive = damage(release, chosen)
        yield number, release, judge(archive, release, folder / "archive.zip")


def main() -> None:
    """Print the outcomes that are faults, and the number of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    kinds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number, release, outcome in trial(
            arguments.count, arguments.seed, Path(folder)
        ):
            kinds[outcome.kind] += 1
            if outcome.detail:
                line = f"{number} {release}: {outcome.kind}: {outcome.detail}"
                print(line[:500], flush=True)  # noqa: T201
    print(dict(kinds))  # noqa: T201
    sys.exit(bool(kinds.keys() - {"right", "refused"}))


if __name__ == "__main__":
    main()
