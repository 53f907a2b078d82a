"""Damage each artefact of a finished run, and judge what its datasets load then.

    python -m tests.fuzz.damaged                  2,700 damages
    python -m tests.fuzz.damaged --count 200      as many, spread over all artefacts

An outcome is *clear* (an error that names the file and says what to do), *unchanged*
(what was saved is loaded), *raw* (another error), *silent* (something else is loaded)
or *hang*. All but the first two are faults.
"""

import argparse
import random
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog, DatasetError

from tests.fuzz.contents import content_of, save_checkpoint
from tests.project import Project
from two_tower.hashes import hash_file

FAULTS = ("raw", "silent", "hang")
DEFAULT_COUNT = 2700
SECONDS = 60  # within which a load ends; the slowest takes two

_REMEDY = re.compile(r"kedro run|rm -r|delete it|remove it")

Damage = Callable[[Path, Path, random.Random], None]
"""Damages the first file; the second is another artefact."""


@dataclass(frozen=True)
class Outcome:
    """What a dataset loads after a damage."""

    file: Path
    damage: str
    dataset: str
    kind: str
    text: str = ""

    def __str__(self) -> str:
        file = f"{self.file}, {self.damage}"
        return f"{self.kind}: {self.dataset} after {file}: {self.text[:300]}"


def try_damages(project: Project, count: int, seed: int = 0) -> list[Outcome]:
    """Return the outcomes of damages in a finished project, which ends as it was.

    Args:
        project: it has run from end to end.
        count: of damages, spread over the files and the kinds of damage.
        seed: of the choice, and of which bytes are damaged.
    """
    catalog = _open_catalog(project)
    save_checkpoint(catalog)
    readers = _find_readers(catalog, project.folder / "data")
    saved = {
        name: content_of(catalog, name)
        for name in sorted({name for names in readers.values() for name in names})
    }
    rng = random.Random(seed)  # noqa: S311 - which byte is no secret
    outcomes = []
    for file, damage in _choose(sorted(readers), count, rng):
        other = rng.choice(sorted(readers))
        with _restored(file, other):
            DAMAGES[damage](file, other, rng)
            for name in readers[file]:
                # A swap damages both, and the first to be read is named.
                damaged = (file, other) if "swapped" in damage else (file,)
                kind, text = _judge(catalog, name, saved[name], damaged)
                outcomes.append(Outcome(file, damage, name, kind, text))
    return outcomes


def _open_catalog(project: Project) -> DataCatalog:
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project.folder)
    session = KedroSession.create(project_path=project.folder, env="test")
    return session.load_context().catalog


def _find_readers(catalog: DataCatalog, data: Path) -> dict[Path, list[str]]:
    """Return the datasets that read each file of the data folder, file → names."""
    from kedro.framework.project import pipelines

    names = {name for part in pipelines.values() for name in part.datasets()}
    paths: dict[str, Path] = {}
    for name in sorted(names):
        filepath = catalog.config_resolver.resolve_pattern(name).get("filepath")
        if filepath is not None and catalog.exists(name):
            paths[name] = Path(filepath)
    readers: dict[Path, list[str]] = {}
    for file in data.rglob("*"):
        if file.is_file() and "test" in str(file.relative_to(data)):
            found = [
                name
                for name, path in paths.items()
                if path in (file, *file.parents) or file == hash_file(path)
            ]
            if found:
                readers[file] = found
    return readers


def _choose(
    files: list[Path], count: int, rng: random.Random
) -> Iterator[tuple[Path, str]]:
    """Yield each damage of each file in random order, and those of chance again."""
    pairs = [(file, damage) for file in files for damage in DAMAGES]
    rng.shuffle(pairs)
    yield from pairs[:count]
    for _ in range(count - len(pairs)):
        yield rng.choice(files), rng.choice(OF_CHANCE)


def _judge(
    catalog: DataCatalog, name: str, saved: str, damaged: tuple[Path, ...]
) -> tuple[str, str]:
    try:
        with _limited(SECONDS):
            found = content_of(catalog, name)
    except TimeoutError:
        return "hang", ""
    except Exception as error:  # noqa: BLE001 - what is raised is judged
        text = str(error)
        named = any(one in text for file in damaged for one in _names(file))
        is_clear = isinstance(error, (DatasetError, ValueError)) and named
        is_clear = is_clear and bool(_REMEDY.search(text))
        return "clear" if is_clear else "raw", f"{type(error).__name__}: {text}"
    return ("unchanged" if found == saved else "silent"), ""


def _names(file: Path) -> list[str]:
    """Return the texts that name a file: a version is named as a whole."""
    is_record = file.parent.name == "lineage"  # is named by its dataset
    folders = list(file.parents)[:2]
    # What a run says of data that fit no record has the dataset, not the file.
    dataset = next((one.parent for one in folders if one.name[:2] == "v-"), file)
    own = [file.stem] if is_record else [f"{dataset.stem} is not what"]
    return [*own, str(file), *map(str, folders)]


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


@contextmanager
def _restored(file: Path, other: Path) -> Iterator[None]:
    contents = {path: path.read_bytes() for path in (file, other)}
    try:
        yield
    finally:
        _stray(file).unlink(missing_ok=True)
        for path, content in contents.items():
            if path.is_dir():
                shutil.rmtree(path)
            path.write_bytes(content)


def _stray(file: Path) -> Path:
    return file.with_name(f"stray{file.suffix}")


def _flip_a_bit(file: Path, _: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def _zero_a_block(file: Path, _: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    start = rng.randrange(len(content))
    end = min(start + rng.choice([1, 16, 512]), len(content))
    content[start:end] = bytes(end - start)
    file.write_bytes(content)


def _cut(file: Path, _: Path, rng: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: rng.randrange(len(content))])


def _become_a_folder(file: Path, *_: Any) -> None:
    file.unlink()
    file.mkdir()


def _swap(file: Path, other: Path, _: random.Random) -> None:
    content, others = file.read_bytes(), other.read_bytes()
    file.write_bytes(others)
    other.write_bytes(content)


DAMAGES: dict[str, Damage] = {
    "a bit flipped": _flip_a_bit,
    "a block zeroed": _zero_a_block,
    "cut": _cut,
    "cut by a byte": lambda file, *_: file.write_bytes(file.read_bytes()[:-1]),
    "emptied": lambda file, *_: file.write_bytes(b""),
    "a byte added": lambda file, *_: file.write_bytes(file.read_bytes() + b"\0"),
    "doubled": lambda file, *_: file.write_bytes(2 * file.read_bytes()),
    "removed": lambda file, *_: file.unlink(),
    "a folder in its place": _become_a_folder,
    "swapped with another": _swap,
    "a stray copy beside it": lambda file, *_: shutil.copy(file, _stray(file)),
    "a JSON number": lambda file, *_: file.write_text("3\n"),
    "a JSON list": lambda file, *_: file.write_text("[]\n"),
    "a JSON object": lambda file, *_: file.write_text("{}\n"),
}
OF_CHANCE = ("a bit flipped", "a block zeroed", "cut", "swapped with another")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=DEFAULT_COUNT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--project", type=Path, help="that has run with --env test")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(given.project) if given.project else _run(Path(folder))
        outcomes = try_damages(project, given.count, given.seed)
    faults = [outcome for outcome in outcomes if outcome.kind in FAULTS]
    counts = Counter(outcome.kind for outcome in outcomes)
    lines = [*faults, f"{len(outcomes)} loads after {given.count} damages: {counts}"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(bool(faults))


def _run(folder: Path) -> Project:
    project = Project.create(folder / "project")
    project.run("--pipelines", "simulation")
    project.run()
    return project


if __name__ == "__main__":
    main()
