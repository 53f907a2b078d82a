"""Compare this project with other libraries: `python -m benchmarks.peers`.

Each contender trains in its own process on the same pairs, those of this project's
leave-one-out split of MovieLens 1M. One evaluation ranks each user's last item among
all unseen items, ties at the worst rank. `docs/benchmarks.md` describes the comparison
and the settings of each library.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import make_environment, own_requirements
from benchmarks.machine import describe_commit, describe_machine
from benchmarks.pairs import CUTOFFS, evaluate, only_shared_features, read_pairs
from benchmarks.project import DATASET, ROOT, Project
from two_tower import __version__
from two_tower.evaluation.queries import (
    EvaluationQueries,
    read_evaluation_queries,
    read_query_vectors,
)
from two_tower.index.vectors import read_item_embeddings
from two_tower.types import FIRST_ID, FloatArray

HERE = Path(__file__).parent
WORK = HERE / ".work"
RESULTS = ROOT / "docs" / "results" / "peers.json"
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
OWN_PACKAGES = {
    "tensorflow": ("keras", "tensorflow-cpu", "numpy"),
    "jax": ("keras", "jax", "jaxlib", "numpy"),
}


@dataclass(frozen=True)
class Peer:
    """A library: its name, environment, script and the script's options."""

    name: str
    environment: str
    script: str
    options: tuple[str, ...] = ()


PEERS = {
    "libreco": Peer("LibRecommender 1.5.2", "libreco", "train_libreco.py"),
    "libreco-recommended": Peer(
        "LibRecommender 1.5.2, cosine, temperature 0.1",
        "libreco",
        "train_libreco.py",
        ("--recommended",),
    ),
    "tfrs": Peer("TensorFlow Recommenders 0.7.7", "keras", "train_tfrs.py"),
    "keras-rs": Peer("keras-rs 0.4.0", "keras", "train_keras_rs.py"),
}
PRESETS = ("libreco-two-tower", "tfrs-basic")


@dataclass(frozen=True, eq=False)
class Trained:
    """Result of a training.

    Attributes:
        users: `[B, D]` float32, a vector per test query.
        items: `[N, D]` float32.
        dimension: of the towers' output; exported vectors of a preset without unit
            length have one more entry, for inner-product search.
        n_pairs: training pairs of an epoch.
        epoch_seconds: of the training loop of each epoch.
        versions: of the relevant libraries.
    """

    users: FloatArray
    items: FloatArray
    dimension: int
    n_pairs: int
    epoch_seconds: Sequence[float]
    versions: Sequence[str]


def main() -> None:
    """Train and evaluate all contenders, print the table, and write the results."""
    arguments = read_arguments()
    commit = describe_commit()  # it may change during the trainings
    project = Project(arguments.work)
    project.set_up(arguments.archive, only_shared_features())
    dimensions = read_dimensions(arguments.contenders, project)
    project.run("data", {})
    *tables, test_examples = project.load(
        "split_interactions",
        "user_vocabulary",
        "item_vocabulary",
        "user_features",
        "item_features",
        "test_examples",
    )
    pairs = read_pairs(tables[0], tables[1:3], tables[3:])
    np.savez(arguments.work / "pairs.npz", **pairs.arrays())  # type: ignore[arg-type]
    queries = read_evaluation_queries(test_examples)

    runs = []
    for name in arguments.contenders:
        for seed in arguments.seeds:
            say(f"{name}, seed {seed}")
            run = run_contender(name, seed, queries, arguments, dimensions)
            say(json.dumps(run))
            runs.append(run)
    results = {
        "command": " ".join([Path(sys.executable).name, *sys.orig_argv[1:]]),
        "commit": commit,
        "machine": describe_machine(),
        "data": {
            "dataset": DATASET,
            "pairs": len(pairs.users),
            "users": len(pairs.user_features),
            "items": len(pairs.genres),
            "test_queries": len(queries.users),
        },
        "epochs": arguments.epochs,
        "seeds": arguments.seeds,
        "runs": runs,
    }
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    arguments.results.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(runs))


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "contenders",
        nargs="*",
        default=[*PEERS, *PRESETS],
        metavar="contender",
        help=f"{', '.join(PEERS)}, or a preset of this project, or preset@jax; "
        f"default: all peers, {' and '.join(PRESETS)}",
    )
    parser.add_argument("--epochs", type=int, default=3, help="at least 2, default 3")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    raw = ROOT / "data" / "01_raw" / f"{DATASET}.zip"
    parser.add_argument("--archive", type=Path, default=raw, help="MovieLens 1M")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=WORK, help="environments, data")
    arguments = parser.parse_args()
    if arguments.epochs < 2:  # noqa: PLR2004
        parser.error("--epochs: the first one warms up, so at least 2 are needed")
    return arguments


def run_contender(
    name: str,
    seed: int,
    queries: EvaluationQueries,
    arguments: argparse.Namespace,
    dimensions: Mapping[str, int],
) -> dict[str, Any]:
    """Return the metrics and timings of one contender with one seed.

    Raises:
        subprocess.CalledProcessError: if its training fails.
    """
    report = arguments.work / "process.json"
    if name in PEERS:
        trained = train_peer(PEERS[name], seed, queries, report, arguments)
    else:
        trained = train_preset(name, seed, queries, report, arguments, dimensions[name])
    process = json.loads(report.read_text(encoding="utf-8"))
    return {
        "contender": name,
        "seed": seed,
        **evaluate(trained.users, trained.items, queries),
        **speed(trained.n_pairs, trained.epoch_seconds),
        **process,
        "dimension": trained.dimension,
        "epoch_seconds": list(trained.epoch_seconds),
        "versions": list(trained.versions),
    }


def train_peer(
    peer: Peer,
    seed: int,
    queries: EvaluationQueries,
    report: Path,
    arguments: argparse.Namespace,
) -> Trained:
    """Return the result of a peer's training script."""
    scripts = HERE / "peers"
    python = make_environment(
        arguments.work / "environments" / peer.environment,
        (scripts / f"{peer.environment}.txt").read_text(encoding="utf-8"),
        whole=peer.environment == "keras",
    )
    data, out = arguments.work / "pairs.npz", arguments.work / "vectors.npz"
    options = [f"--epochs={arguments.epochs}", f"--seed={seed}", *peer.options]
    command = [python, "-I", scripts / peer.script, data, out, *options]
    measure([str(part) for part in command], report)
    with np.load(out) as vectors, np.load(data) as pairs:
        return Trained(
            users=vectors["users"][queries.users - FIRST_ID],
            items=vectors["items"],
            dimension=vectors["items"].shape[1],
            n_pairs=len(pairs["users"]),
            epoch_seconds=vectors["epoch_seconds"].tolist(),
            versions=vectors["versions"].tolist(),
        )


def train_preset(
    contender: str,
    seed: int,
    queries: EvaluationQueries,
    report: Path,
    arguments: argparse.Namespace,
    dimension: int,
) -> Trained:
    """Return the result of this project's training after its last epoch.

    The same process exports the vectors, as in the scripts of peers.
    """
    preset, backend = preset_and_backend(contender)
    python = make_environment(
        arguments.work / "environments" / f"two-tower-{backend}",
        own_requirements(
            backend, *(lock.read_text(encoding="utf-8") for lock in LOCKS)
        ),
        whole=True,
    )
    project = Project(arguments.work, python)
    parameters = {
        "preset": preset,
        "training.backend": backend,
        "training.epochs": arguments.epochs,
        "training.seed": seed,
        # Only after the last epoch, so that its weights are kept.
        "training.validation.every": arguments.epochs,
    }
    project.forget_training()
    measure(project.command("training,export", parameters), report)
    history, embeddings, test_queries = project.load(
        "training_history", "item_embeddings", "test_queries"
    )
    first = history[0]
    return Trained(
        users=read_query_vectors(test_queries, queries.users).vectors,
        items=read_item_embeddings(embeddings).vectors,
        dimension=dimension,
        n_pairs=round(first["examples_per_second"] * first["seconds"]),
        epoch_seconds=[record["seconds"] for record in history],
        versions=own_versions(python, backend),
    )


def preset_and_backend(contender: str) -> tuple[str, str]:
    """Return the parts of `preset@backend`, whose back end defaults to TensorFlow.

    Raises:
        ValueError: if there is no such back end.
    """
    preset, _, backend = contender.partition("@")
    backend = backend or "tensorflow"
    if backend not in OWN_PACKAGES:
        raise ValueError(f"{contender}: {backend} is none of {', '.join(OWN_PACKAGES)}")
    return preset, backend


def read_dimensions(contenders: Sequence[str], project: Project) -> dict[str, int]:
    """Return the dimension of each contender that is a preset.

    Raises:
        ValueError: if a preset has a history: its test queries contain each user's
            item before the last, which peers do not get.
    """
    dimensions = {}
    for contender in contenders:
        if contender in PEERS:
            continue
        preset, _ = preset_and_backend(contender)
        training = project.parameters({"preset": preset})["training"]
        if training.history.kind != "none":
            raise ValueError(
                f"{contender} has a history ({training.history.kind}): its test "
                "queries contain each user's item before the last, which peers do not "
                "get, so metrics can't be compared; choose presets with history.kind "
                f"none, such as {' and '.join(PRESETS)}"
            )
        dimensions[contender] = training.dimension
    return dimensions


def measure(command: Sequence[str], report: Path) -> None:
    """Run a command, and write its peak memory and duration."""
    wrapper = [sys.executable, "-S", str(HERE / "measure.py"), str(report)]
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    subprocess.run([*wrapper, *command], check=True, cwd=ROOT, env=variables)


def speed(n_pairs: int, epoch_seconds: Sequence[float]) -> dict[str, float]:
    """Return the pairs per second after the first epoch, and its extra seconds.

    The first epoch also traces, compiles and fills caches.
    """
    first, *later = epoch_seconds
    mean = sum(later) / len(later)
    return {"pairs_per_second": n_pairs / mean, "start_seconds": first - mean}


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table of means over seeds, one row per contender."""
    hits = [f"hr@{k}" for k in CUTOFFS]
    head = ["", *(name.upper() for name in hits), "NDCG@10"]
    head += ["pairs/s", "start, s", "memory, MB"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name in dict.fromkeys(run["contender"] for run in runs):
        own = [run for run in runs if run["contender"] == name]

        def mean(name: str, own: Sequence[Mapping[str, Any]] = own) -> float:
            return float(np.mean([run[name] for run in own]))

        title = PEERS[name].name if name in PEERS else f"two-tower, `{name}`"
        lines.append(
            [
                title,
                *(f"{mean(metric):.3f}" for metric in (*hits, "ndcg@10")),
                f"{mean('pairs_per_second'):,.0f}",
                f"{mean('start_seconds'):.1f}",
                f"{mean('peak_bytes') / 1e6:,.0f}",
            ]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def own_versions(python: Path, backend: str) -> list[str]:
    """Return the versions of this project and of its numerical libraries."""
    code = (
        "import sys; from importlib.metadata import version; "
        "print(*(f'{name} {version(name)}' for name in sys.argv[1:]), sep='\\n')"
    )
    command = [str(python), "-I", "-c", code, *OWN_PACKAGES[backend]]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [f"two-tower {__version__}", *done.stdout.split("\n")[:-1]]


def say(line: str) -> None:
    """Report progress on standard error; standard output gets only the table."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
