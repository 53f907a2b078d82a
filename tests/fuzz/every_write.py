"""Let each change of files fail once, in each kind of save: nothing is lost or mixed.

python -m tests.fuzz.every_write              each change, the errors by turns
python -m tests.fuzz.every_write --thorough   each change with each error, once
                                                and from then on
python -m tests.fuzz.every_write --case JSON  one kind of save
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.refusals import ERRORS, Refusals, build
from tests.project import SOURCE

OLD, NEW, NEXT = 0, 1, 2


@dataclass(frozen=True)
class Trial:
    """One refusal: of which change, from what state, with which error.

    Attributes:
        n: number of the change, from 1 on.
        error: key of `ERRORS`.
        and_all_later: whether the later changes of the save fail, too.
        is_first: whether nothing was saved before.
    """

    n: int
    error: str
    and_all_later: bool
    is_first: bool


def run(
    cases: Iterable[str], *, every: int = 1, thorough: bool = False
) -> dict[str, dict[str, Any]]:
    """Return for each case its number of `trials`, and its `faults` as sentences.

    Args:
        cases: names of `saves.CASES`.
        every: refuse the first change, and from there on each `every`-th.
        thorough: whether each change meets each error, once and from then on.
    """
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory) as folder:  # no disk is waited for
        options = [word for name in cases for word in ("--case", name)]
        options += ["--every", str(every)]
        command = [sys.executable, "-m", "tests.fuzz.every_write", "--in", folder]
        done = subprocess.run(  # noqa: S603 - this very Python
            [*command, *options, *(["--thorough"] if thorough else [])],
            env={**build(Path(folder)), "TMPDIR": folder, "NO_PROXY": "127.0.0.1"},
            cwd=SOURCE,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def try_case(name: str, root: Path, *, every: int, thorough: bool) -> dict[str, Any]:
    """Refuse each change of a case's saves in turn, and judge what is there then.

    Args:
        name: of the case.
        root: an empty folder, which is the system's temporary folder as well.
        every: as in `run`.
        thorough: as in `run`.
    """
    from tests.fuzz.saves import CASES

    case, refusals = CASES[name], Refusals(root)
    wanted = {}
    for i in (OLD, NEW, NEXT):
        case.save(root / f"wanted-{i}", i)
        wanted[i] = case.read(root / f"wanted-{i}")
    trials, faults = 0, []
    for is_first in (True, False):
        folder = root / f"counted-{is_first}"
        if not is_first:
            case.save(folder, OLD)
        with refusals.refuse(0, 0, and_all_later=False):
            case.save(folder, NEW)
        changes = range(1, refusals.n_changes + 1, every)
        for trial in _trials(changes, is_first=is_first, thorough=thorough):
            trials += 1
            folder = root / str(trials)
            found = list(_try(case, folder, trial, wanted, refusals))
            faults += [f"{trial} {refusals.refused}: {fault}" for fault in found]
    return {"trials": trials, "faults": faults}


def _trials(
    changes: Iterable[int], *, is_first: bool, thorough: bool
) -> Iterator[Trial]:
    for i, n in enumerate(changes):
        if thorough:
            for error, lasts in itertools.product(ERRORS, (False, True)):
                yield Trial(n, error, lasts, is_first)
        else:
            error = list(ERRORS)[i % len(ERRORS)]
            yield Trial(n, error, bool(i % 2), is_first)


def _try(
    case: Any, folder: Path, trial: Trial, wanted: dict[int, Any], refusals: Refusals
) -> Iterator[str]:
    """Yield what is wrong after one refusal."""
    folder.mkdir()
    if not trial.is_first:
        case.save(folder, OLD)
    error, code = None, ERRORS[trial.error]
    with refusals.refuse(trial.n, code, and_all_later=trial.and_all_later):
        try:
            case.save(folder, NEW)
        except Exception as raised:  # noqa: BLE001 - what is raised is judged
            error = raised
    if error is not None:
        text = str(error)
        if os.strerror(code) not in text:
            yield f"the message lacks the cause: {text}"
        if str(folder) not in text and ".two-tower-scratch-" not in text:
            yield f"the message lacks the path: {text}"
    states = [wanted[NEW]]
    if error is not None:
        states.append(None if trial.is_first else wanted[OLD])
    yield from _read(case, folder, states)
    try:
        case.save(folder, NEXT)
    except Exception as raised:  # noqa: BLE001 - what is raised is judged
        yield f"the next save failed: {raised}"
        return
    yield from _read(case, folder, [wanted[NEXT]])
    yield from _leftovers(folder)


def _read(case: Any, folder: Path, states: list[Any]) -> Iterator[str]:
    try:
        found = case.read(folder)
    except Exception as raised:  # noqa: BLE001 - what is raised is judged
        yield f"it can't be read: {raised}"
        return
    if all(found != state for state in states):
        yield f"it holds {str(found)[:60]}"


def _leftovers(folder: Path) -> Iterator[str]:
    for path in [*folder.rglob("*"), *folder.parent.glob(".two-tower-scratch-*")]:
        if path.name.startswith((".saving-", ".two-tower-scratch-")):
            yield f"{path.name} stays after the next save"
    for pointer in folder.rglob("_current"):
        versions = list(pointer.parent.glob("v-*"))
        if len(versions) > 1:
            yield f"{len(versions)} versions stay after the next save"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", dest="cases", metavar="NAME")
    parser.add_argument("--every", type=int, default=1, metavar="K")
    parser.add_argument("--thorough", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder is None:
        from tests.fuzz.saves import CASES

        cases = given.cases or CASES
        results = run(cases, every=given.every, thorough=given.thorough)
        for name, result in results.items():
            _write(f"{name}: {result['trials']} trials, {len(result['faults'])} faults")
            for fault in result["faults"]:
                _write(f"    {fault}")
        sys.exit(any(result["faults"] for result in results.values()))
    results = {}
    for name in given.cases:
        root = given.folder / name
        root.mkdir()
        tempfile.tempdir = str(root)
        results[name] = try_case(name, root, every=given.every, thorough=given.thorough)
    _write(json.dumps(results))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
