"""Run pairs of pipelines at once, and compare what they leave with unbroken runs.

    python -m tests.fuzz.pairs --count 30

On one data set, one of the two is refused before it begins, or waits for nothing and
comes after the other; on two data sets both run. A run that is stopped in the middle of
a save keeps another one out.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.crashes import STOP, Done, Forks
from tests.fuzz.outputs import contents, differences, scratch
from tests.project import Project

PARAMETERS: Final = "training.epochs=1,training.dimension=16"
PIPELINES: Final = ("", "data", "sequencing", "export", "indexing", "evaluation")
HELD: Final = 3
"""Number of the first change of a run that has its lock."""

REFUSAL: Final = "another run"


class Pairs:
    """A finished project with two data sets, `test` and `other`."""

    def __init__(self, folder: Path, forks: Forks, project: Project) -> None:
        self._forks = forks
        self._project = project
        self._finished = folder / "finished"
        self._expected: dict[tuple[str, str], dict[str, str]] = {}

    def prepare(self) -> None:
        """Make both data sets, and run all pipelines on them."""
        conf = self._project.folder / "conf"
        shutil.copytree(conf / "test", conf / "other")
        settings = conf / "other" / "globals.yml"
        settings.write_text(
            settings.read_text().replace("dataset: test", "dataset: other")
        )
        for env in ("test", "other"):
            for pipeline in ("simulation", ""):
                done = self._run(env, pipeline)
                if done.code:
                    sys.exit(f"no finished project: {done.output}")
        shutil.copytree(self._data, self._finished)

    def one_data_set(self, pipelines: tuple[str, str], delay: float) -> list[str]:
        """Return what is wrong after two runs on one data set, some seconds apart."""
        self._restore()
        expected = [self._contents_of("test", pipeline) for pipeline in pipelines]
        self._restore()
        first = self._start("test", pipelines[0])
        time.sleep(delay)
        second = self._start("test", pipelines[1])
        done = [self._forks.wait(process) for process in (first, second)]
        succeeded = [i for i, one in enumerate(done) if one.code == 0]
        faults = [
            f"run {i} fails otherwise: {one.output[-900:]}"
            for i, one in enumerate(done)
            if one.code and REFUSAL not in one.output
        ]
        if not succeeded:
            return [*faults, "both are refused"]
        left = contents(self._data)
        if all(differences(expected[i], left) for i in succeeded):
            faults += differences(expected[succeeded[-1]], left)
        return faults + scratch(self._data)

    def two_data_sets(self, pipelines: tuple[str, str]) -> list[str]:
        """Return what is wrong after two runs at once on two data sets."""
        self._restore()
        envs = ("test", "other")
        started = [self._start(*one) for one in zip(envs, pipelines, strict=True)]
        done = [self._forks.wait(process) for process in started]
        faults = [one.output[-900:] for one in done if one.code]
        return faults + scratch(self._data)

    def stopped(self, pipeline: str, at: int) -> list[str]:
        """Return what is wrong if a run is stopped before a change, and one follows."""
        self._restore()
        stopped = self._start("test", pipeline, at=at, action=STOP)
        while not _is_stopped(stopped):
            time.sleep(0.05)
        second = self._run("test", "")
        self._forks.wait(stopped)  # and kill it
        third = self._run("test", "")
        faults = []
        if not second.code or REFUSAL not in second.output:
            faults.append(f"the second run is not refused: {second.output[-900:]}")
        if third.code:
            faults.append(f"the third run fails: {third.output[-900:]}")
        return faults + scratch(self._data)

    def _contents_of(self, env: str, pipeline: str) -> dict[str, str]:
        if (env, pipeline) not in self._expected:
            done = self._run(env, pipeline)
            if done.code:
                sys.exit(f"{pipeline or 'the default pipeline'} fails: {done.output}")
            self._expected[env, pipeline] = contents(self._data)
        return self._expected[env, pipeline]

    @property
    def _data(self) -> Path:
        return self._project.folder / "data"

    def _restore(self) -> None:
        shutil.rmtree(self._data)
        shutil.copytree(self._finished, self._data)

    def _run(self, env: str, pipeline: str) -> Done:
        return self._forks.wait(self._start(env, pipeline))

    def _start(
        self, env: str, pipeline: str, *, at: int = 0, action: str = STOP
    ) -> int:
        words = ["--pipelines", pipeline] if pipeline else []
        return self._forks.start(
            self._project.folder,
            *("run", "--env", env, *words, "--params", PARAMETERS),
            at=at,
            action=action,
        )


def _is_stopped(process: int) -> bool:
    state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return state in {"T", "Z"}


def main() -> None:
    """Print what is wrong with each pair, and the number of pairs without a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chosen = random.Random(arguments.seed)  # noqa: S311 (no secret)
    n_right = 0
    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(Path(folder, "project"))
        (project.folder / "data").mkdir(exist_ok=True)
        with Forks(project.folder, with_keras=True) as forks:
            pairs = Pairs(Path(folder), forks, project)
            pairs.prepare()
            for number in range(arguments.count):
                two = (chosen.choice(PIPELINES), chosen.choice(PIPELINES))
                if number % 3 == 0:
                    faults = pairs.two_data_sets(two)
                elif number % 3 == 1:
                    faults = pairs.stopped(two[0], at=chosen.randint(HELD, 40))
                else:
                    faults = pairs.one_data_set(two, delay=chosen.uniform(0, 3))
                n_right += not faults
                for fault in faults:
                    print(f"{number} {two}: {fault}", flush=True)  # noqa: T201
    print(f"{n_right} of {arguments.count} pairs without a fault")  # noqa: T201
    sys.exit(n_right < arguments.count)


if __name__ == "__main__":
    main()
