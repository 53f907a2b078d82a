"""Kill every pipeline before its changes to files, and run the same command again.

    python -m tests.fuzz.kills --count 200

What the second run leaves must be what an unbroken run leaves: the same contents,
nothing of the killed one, and no error.
"""

import argparse
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.crashes import Done, Forks
from tests.e2e.archives import add_movie, grow_archive
from tests.fuzz.outputs import contents, differences, scratch
from tests.project import Project

PARAMETERS: Final = "training.epochs=2,training.dimension=16"

PIPELINES: Final = {
    "": "grown",
    "simulation": "base",
    "ingestion": "grown",
    "sequencing": "base",
    "data": "grown",
    "training": "base",
    "export": "base",
    "indexing": "base",
    "evaluation": "base",
    "recommendation": "base",
    "model": "base",
    "retrain": "grown",
    "add_items": "with_movie",
}
"""Pipeline ("" is the default one) → state of the project that it starts from."""


@dataclass(frozen=True)
class Case:
    """A killed run: its pipeline, and the number of the change it is killed before."""

    pipeline: str
    at: int


class Trial:
    """A finished project, its states, and what unbroken runs make of them."""

    def __init__(self, folder: Path, forks: Forks, project: Project) -> None:
        self._folder = folder
        self._forks = forks
        self._project = project
        self._unbroken: dict[str, tuple[Done, dict[str, str]]] = {}

    def prepare(self) -> None:
        """Make the states that pipelines start from."""
        for pipeline in ("simulation", ""):
            done = self._run(pipeline)
            if done.code:
                sys.exit(f"no finished project: {done.output}")
        data = self._project.folder / "data"
        shutil.copytree(data, self._folder / "base")
        archive = data / "01_raw" / "test.zip"
        add_movie(archive, 9003, like=1)
        shutil.copytree(data, self._folder / "with_movie")
        grow_archive(archive)
        shutil.copytree(data, self._folder / "grown")

    def unbroken(self, pipeline: str) -> tuple[Done, dict[str, str]]:
        """Return an unbroken run and the contents that it leaves."""
        if pipeline not in self._unbroken:
            self._restore(PIPELINES[pipeline])
            done = self._run(pipeline)
            if done.code:
                sys.exit(f"{pipeline or 'the default pipeline'} fails: {done.output}")
            self._unbroken[pipeline] = done, contents(self._data)
        return self._unbroken[pipeline]

    def check(self, case: Case) -> list[str]:
        """Return what is wrong after a killed run and the same command again."""
        _, expected = self.unbroken(case.pipeline)
        self._restore(PIPELINES[case.pipeline])
        killed = self._run(case.pipeline, at=case.at)
        again = self._run(case.pipeline)
        faults = []
        if killed.code >= 0:
            faults.append(f"was not killed: {killed.code}")
        if again.code:
            faults.append(f"fails: {again.output[-2000:]}")
        faults += [
            f"differs: {one}" for one in differences(expected, contents(self._data))
        ]
        faults += [f"is left: {one}" for one in scratch(self._data)]
        return faults

    @property
    def _data(self) -> Path:
        return self._project.folder / "data"

    def _restore(self, state: str) -> None:
        shutil.rmtree(self._data)
        shutil.copytree(self._folder / state, self._data)

    def _run(self, pipeline: str, at: int = 0) -> Done:
        words = ["--pipelines", pipeline] if pipeline else []
        return self._forks.run(
            self._project.folder,
            *("run", "--env", "test", *words, "--params", PARAMETERS),
            at=at,
        )


def sample_cases(trial: Trial, count: int, seed: int) -> list[Case]:
    """Return cases of all pipelines, spread over their changes."""
    every = [
        Case(pipeline, at)
        for pipeline in PIPELINES
        for at in range(1, len(trial.unbroken(pipeline)[0].changes) + 1)
    ]
    chosen = random.Random(seed)  # noqa: S311 (no secret)
    return sorted(
        chosen.sample(every, min(count, len(every))),
        key=lambda case: (list(PIPELINES).index(case.pipeline), case.at),
    )


def main() -> None:
    """Print what is wrong after each kill, and the number of kills without a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(Path(folder, "project"))
        (project.folder / "data").mkdir(exist_ok=True)
        with Forks(project.folder, with_keras=True) as forks:
            trial = Trial(Path(folder, "states"), forks, project)
            trial.prepare()
            cases = sample_cases(trial, arguments.count, arguments.seed)
            n_right = 0
            for case in cases:
                faults = trial.check(case)
                n_right += not faults
                name = case.pipeline or "default"
                for fault in faults:
                    print(f"{name} {case.at}: {fault}", flush=True)  # noqa: T201
    print(f"{n_right} of {len(cases)} kills without a fault")  # noqa: T201
    sys.exit(n_right < len(cases))


if __name__ == "__main__":
    main()
