"""Mutation testing: does a test fail when the code is changed?

    pip install cosmic-ray
    python -m tests.fuzz.mutants losses metrics lineage atomic

Cosmic Ray's operators make the mutants, one of each kind at each place of the code.
Each runs the tests of its group in a process forked from one that has imported the
heavy libraries, so a mutant takes seconds. Nothing is written to the source.
"""

import argparse
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from types import ModuleType
from typing import Any, Final

PROJECT: Final = Path(__file__).parents[2]
SOURCE: Final = PROJECT / "src" / "two_tower"

GROUPS: Final = {
    "losses": (["losses"], ["tests/losses", "tests/training/objectives"]),
    "metrics": (["metrics"], ["tests/metrics", "tests/evaluation"]),
    "lineage": (["lineage"], ["tests/lineage", "tests/datasets/test_stores.py"]),
    "atomic": (
        [
            "atomic.py",
            "hashes.py",
            "scratch.py",
            "datasets/checked.py",
            "datasets/atomic_files.py",
            "datasets/parquet_shards.py",
        ],
        [
            "tests/test_hashes.py",
            "tests/test_atomic.py",
            "tests/test_scratch.py",
            "tests/datasets/test_checked.py",
            "tests/datasets/test_parquet_shards.py",
            "tests/datasets/test_atomic_files.py",
        ],
    ),
}
"""Name → folders or files of the source, and the tests of them, quickest first."""

UNLIKE: Final = ("NumberReplacer", "BinaryOperator", "Comparison", "UnaryOperator")
"""Kinds with many mutants at one place; one of them is taken."""

STARRED: Final = {"argument", "param", "parameters", "star_expr"}
"""Nodes in which an operator is no operation."""

HEAVY: Final = (
    "_pytest.assertion.rewrite",
    "_pytest.pytester",
    "duckdb",
    "hypothesis.strategies",
    "ibis.backends.duckdb",
    "kedro.framework.session",
    "kedro_datasets.ibis",
    "keras",
    "pyarrow.parquet",
    "scipy.sparse",
)

CPU_SECONDS: Final = 100
"""A mutant that computes for longer is noticed: a test that hangs is one that fails."""

WAIT_SECONDS: Final = 1200
"""One that waits for longer, for a lock or a busy machine, is noticed and named."""


@dataclass(frozen=True)
class Mutant:
    """A changed module.

    Attributes:
        file: file of the module.
        code: its changed source.
        tests: paths of the tests to run, quickest first.
    """

    file: Path
    code: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        parts = self.file.relative_to(SOURCE.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def diff(self) -> str:
        """Return the changed lines."""
        before = self.file.read_text(encoding="utf-8").splitlines()
        lines = unified_diff(before, self.code.splitlines(), lineterm="", n=0)
        name = self.file.relative_to(SOURCE).as_posix()
        return "\n".join([name, *(line for line in lines if line[:3] not in MARKS)])


MARKS: Final = ("---", "+++")


def make_mutants(group: str, seed: int) -> Iterator[Mutant]:
    """Yield one mutant of each kind at each place of a group's code."""
    sources, tests = GROUPS[group]
    for name in sources:
        path = SOURCE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            own = PROJECT / "tests" / file.relative_to(SOURCE)
            own = own.with_name(f"test_{file.name}")
            files = sorted(_test_files(tests), key=lambda test: test != own)
            for code in mutate(file.read_text(encoding="utf-8"), seed):
                yield Mutant(file, code, tuple(map(str, files)))


def _test_files(tests: Sequence[str]) -> Iterator[Path]:
    """Yield the files of tests; pytest would run a file of a named folder with it."""
    for name in tests:
        path = PROJECT / name
        yield from sorted(path.glob("test_*.py")) if path.is_dir() else [path]


def mutate(source: str, seed: int) -> Iterator[str]:
    """Yield changed sources that differ from `source` in one place."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code

    chosen = random.Random(seed)  # noqa: S311 (no secret)
    places: dict[tuple[str, tuple[int, int]], list[tuple[str, int]]] = {}
    tree = get_ast(source)
    for name in sorted(plugins.operator_names()):
        operator = plugins.get_operator(name)
        if operator.arguments():
            continue
        found = (
            (node, start)
            for node in ast_nodes(tree)
            for start, _ in operator().mutation_positions(node)
        )
        short = name.rpartition("/")[2]
        kind = next((kind for kind in UNLIKE if kind in short), short)
        for occurrence, (node, start) in enumerate(found):
            if not _is_declaration(node):
                places.setdefault((kind, start), []).append((name, occurrence))
    for alternatives in places.values():
        name, occurrence = chosen.choice(alternatives)
        code = mutate_code(source, plugins.get_operator(name)(), occurrence)
        if code is not None and code != source:
            yield code


def _is_declaration(node: Any) -> bool:
    """Return whether a node is part of a type, of `frozen=True`, or a star.

    Types and `frozen` change no behaviour, since mypy refuses code that doesn't keep to
    them. A changed star that isn't a product would be no Python.
    """
    if node.type == "operator" and node.parent.type in STARRED:
        return True
    while (parent := node.parent) is not None:
        if parent.type in {"annassign", "tfpdef"} and node is parent.children[1]:
            return True
        if parent.type == "tfpdef" and node is parent.children[-1]:
            return True
        if parent.type == "funcdef" and node is parent.annotation:
            return True
        if parent.type == "argument" and parent.children[0].get_code() == "frozen":
            return True
        node = parent
    return False


class MutantFinder(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from a changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._mutant.file, loader=self
        )

    def get_data(self, path: str) -> bytes:
        return self._mutant.code.encode() if path.endswith(".py") else b""

    def get_filename(self, fullname: str) -> str:
        return str(self._mutant.file)

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError(path)  # no cached byte code


def is_noticed(mutant: Mutant | None, tests: Sequence[str]) -> bool:
    """Return whether a test fails with a mutant; None: with the code as it is."""
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        try:
            code = _run_tests(mutant, tests)
        except BaseException:  # noqa: BLE001 (a mutant may break anything)
            code = 1
        os._exit(code)
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    what = mutant.diff() if mutant else "the code as it is"
    print(f"not at an end after {WAIT_SECONDS} s: {what}\n", flush=True)  # noqa: T201
    return True


def _run_tests(mutant: Mutant | None, tests: Sequence[str]) -> int:
    import pytest
    from hypothesis import Phase, settings

    os.chdir(PROJECT)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    if mutant is not None:
        sys.meta_path.insert(0, MutantFinder(mutant))
    # A failing example needs no smaller one.
    settings.register_profile(
        "two-tower",
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
    )
    return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])


def preload() -> None:
    """Import the heavy libraries once, without work that starts threads."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KEDRO_LOGGING_CONFIG"] = str(PROJECT / "tests" / "logging.yml")
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()  # collecting garbage would copy the memory of a forked process


def main() -> None:
    """Print the mutants that no test noticed, and the score of each group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="+", choices=[*GROUPS])
    parser.add_argument("--sample", type=int, help="mutants of each group")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    preload()
    for group in arguments.groups:
        mutants = list(make_mutants(group, arguments.seed))
        # A smaller sample is the beginning of a larger one.
        random.Random(arguments.seed).shuffle(mutants)  # noqa: S311 (no secret)
        mutants = mutants[: arguments.sample]
        if is_noticed(None, [str(test) for test in _test_files(GROUPS[group][1])]):
            sys.exit(f"the tests of {group} fail with the code as it is")
        with ThreadPoolExecutor(arguments.workers) as pool:
            noticed = pool.map(lambda mutant: is_noticed(mutant, mutant.tests), mutants)
            n_noticed = 0
            for n, (mutant, one) in enumerate(zip(mutants, noticed, strict=True), 1):
                n_noticed += one
                if not one:
                    print(f"{mutant.diff()}\n", flush=True)  # noqa: T201
                print(f"{n_noticed} of {n}", end="\r", file=sys.stderr, flush=True)  # noqa: T201
        share = n_noticed / len(mutants)
        print(  # noqa: T201
            f"{group}: {n_noticed} of {len(mutants)} mutants noticed ({share:.1%})",
            flush=True,
        )


if __name__ == "__main__":
    main()
