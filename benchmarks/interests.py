"""What vectors, heads, negatives and losses are worth to `multi-interest`.

`python -m benchmarks.interests run base one-vector --seeds 1 2 3` trains variants of
the preset on MovieLens 1M and adds a line for each to docs/results/interests.jsonl;
what is there already is not trained again. `… table` prints them, and `… compare base
one-vector` the difference of two, over the seeds that both have.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.machine import describe_commit, describe_machine
from benchmarks.project import DATASET, ROOT, Project
from two_tower.evaluation.cases import TestCases, read_cases, read_queries
from two_tower.metrics.intervals import bootstrap_intervals, paired_difference
from two_tower.metrics.ranking import Figures, mean_figures, query_figures
from two_tower.metrics.ranks import worst_ranks
from two_tower.pipelines.training.params.training import Training
from two_tower.ragged import Ragged
from two_tower.retrieval.embeddings import read_item_embeddings
from two_tower.types import FloatArray

WORK = Path(__file__).parent / ".work"
RESULTS = ROOT / "docs" / "results" / "interests.jsonl"
PRESET = "multi-interest"
CUTOFFS = (10, 50, 200)
SHOWN = ("hr@10", "ndcg@10", "hr@50", "hr@200", "shared_hr@50", "shared_hr@200")
OF_VALIDATION = SHOWN[:4]
ITEM_BLOCK = 8192

HISTORY = "histories.multi_interest"
SOFTMAX = "objectives.interest_softmax"
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "one-vector": {f"{HISTORY}.n_vectors": 1},
    "two-vectors": {f"{HISTORY}.n_vectors": 2},
    "eight-vectors": {f"{HISTORY}.n_vectors": 8},
    "four-heads": {f"{HISTORY}.n_heads": 4},
    "eight-heads": {f"{HISTORY}.n_heads": 8},
    "thirty-two-heads": {f"{HISTORY}.n_heads": 32},
    "queue-512": {"sources.queue.size": 512},
    "queue-1280": {"sources.queue.size": 1280},
    "queue-5120": {"sources.queue.size": 5120},
    "in-batch": {"negatives": "in_batch"},
    "hard-1280": {"sources.queue.hard": 1280},
    "unique": {"sources.queue.unique": True, "log_q": "none"},
    "no-log-q": {"log_q": "none"},
    "temperature-0.07": {"scoring.temperature.start": 0.07},
    "temperature-0.15": {"scoring.temperature.start": 0.15},
    "no-dead-heads": {f"{SOFTMAX}.dead_heads.weight": 0},
    "no-sharpness": {f"{SOFTMAX}.sharpness.weight": 0},
    "no-semantic": {f"{SOFTMAX}.semantic.weight": 0},
    "semantic-1": {f"{SOFTMAX}.semantic.weight": 1},
    "credit-mixture": {f"{SOFTMAX}.credit": "mixture"},
    "credit-category": {f"{SOFTMAX}.credit": "category"},
    "per-vector": {f"{SOFTMAX}.joint": False},
    "straight-through": {f"{HISTORY}.heads.routing": "straight_through"},
    "no-prior": {f"{HISTORY}.heads.prior": False},
    "fifty-items": {f"{HISTORY}.max_items": 50},
    "positions": {f"{HISTORY}.attention.position_bias": True},
    "request-time": {f"{HISTORY}.events.request_time": True},
}

Record = dict[str, Any]


def main() -> None:
    """Do what the command line asks for."""
    arguments = read_arguments()
    if arguments.do == "run":
        run_variants(arguments)
    elif arguments.do == "table":
        sys.stdout.write(table(read_records(arguments.results), arguments.epochs))
    else:
        compared = compare(arguments)
        sys.stdout.write(json.dumps(compared, indent=2) + "\n")


def read_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("do", choices=["run", "table", "compare"])
    parser.add_argument("variants", nargs="*", metavar="variant", default=[*VARIANTS])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    raw = ROOT / "data" / "01_raw" / f"{DATASET}.zip"
    parser.add_argument("--archive", type=Path, default=raw, help="MovieLens 1M")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=WORK, help="data, ranks")
    arguments = parser.parse_args()
    if arguments.do == "compare" and len(arguments.variants) != 2:  # noqa: PLR2004
        parser.error("compare takes the names of two variants")
    if unknown := sorted(set(arguments.variants) - set(VARIANTS)):
        parser.error(f"no such variant: {', '.join(unknown)}; there are {[*VARIANTS]}")
    return arguments


def run_variants(arguments: argparse.Namespace) -> None:
    """Train each variant with each seed, unless there is a line of it already."""
    project = Project(arguments.work)
    project.set_up(arguments.archive, {})
    project.run("data", {})
    for seed in arguments.seeds:
        for variant in arguments.variants:
            asked = parameters_of(variant, seed, arguments.epochs)
            settings = project.parameters(asked)["training"]
            known = {
                record["settings"]
                for record in read_records(arguments.results)
                if record["variant"] == variant
            }
            if digest(settings) not in known:
                record = run_variant(project, variant, asked, settings)
                append(arguments.results, record)


def parameters_of(variant: str, seed: int, epochs: int) -> dict[str, Any]:
    """Return what a variant is run with, as `kedro run --params` takes it."""
    return {
        "preset": PRESET,
        "training.seed": seed,
        "training.epochs": epochs,
        **{f"training.{name}": value for name, value in VARIANTS[variant].items()},
    }


def digest(settings: Training) -> str:
    """Return a name of all parameters of a training, whoever set them."""
    written = settings.model_dump_json().encode()
    return hashlib.sha256(written).hexdigest()[:16]


def run_variant(
    project: Project, variant: str, asked: Mapping[str, Any], settings: Training
) -> Record:
    """Return one variant's figures, and keep the rank of each test positive."""
    commit = describe_commit()  # before the training: it may move meanwhile
    project.forget_training()
    project.run("training,export", asked)
    history, embeddings, queries, examples = project.load(
        "training_history", "item_embeddings", "test_queries", "test_examples"
    )
    cases = read_cases(examples)
    vectors = read_queries(queries, cases.users)
    items = read_item_embeddings(embeddings).vectors
    kept = ranks_file(project.folder, digest(settings))
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        kept,
        ranks=ranks_of(vectors, items, cases),
        by_vector=np.stack(
            [
                ranks_of(vectors[:, [vector]], items, cases)
                for vector in range(vectors.shape[1])
            ]
        ),
        offsets=cases.targets.offsets,
    )
    best = max(history, key=lambda epoch: epoch["val_ndcg@10"])
    test = mean_figures(figures_of(kept))
    return {
        "variant": variant,
        "seed": settings.seed,
        "epochs": settings.epochs,
        "settings": digest(settings),
        "parameters": dict(asked),
        "commit": commit,
        "machine": describe_machine(),
        "best_epoch": best["epoch"],
        "validation": {name: best[f"val_{name}"] for name in OF_VALIDATION},
        "test": {name: test[name] for name in SHOWN},
        "heads": settings.histories.multi_interest.n_heads,
        "head_posterior_min": best["head_posterior_min"],
        "head_posterior_max": best["head_posterior_max"],
        "epoch_seconds": [epoch["seconds"] for epoch in history],
    }


def ranks_of(
    vectors: FloatArray, items: FloatArray, cases: TestCases
) -> npt.NDArray[np.int64]:
    """Return the rank of each positive by the nearest of its user's vectors."""
    return worst_ranks(vectors, items, cases.targets, cases.seen, item_block=ITEM_BLOCK)


def ranks_file(work: Path, settings: str) -> Path:
    """Return where the ranks of a training's test positives lie."""
    return work / "ranks" / f"{settings}.npz"


def figures_of(kept: Path) -> Figures:
    """Return each test query's figures.

    `hr@k` is of the k items that are nearest to any of the user's V vectors;
    `shared_hr@k` of the k / V nearest of each vector, as many candidates together.
    """
    with np.load(kept) as arrays:
        offsets, by_vector = arrays["offsets"], arrays["by_vector"]
        figures = query_figures(Ragged(arrays["ranks"], offsets), cutoffs=CUTOFFS)
        for k in CUTOFFS:
            is_near = (by_vector < -(-k // len(by_vector))).any(axis=0)
            hits = query_figures(Ragged(np.where(is_near, 0, k), offsets), cutoffs=[k])
            figures[f"shared_hr@{k}"] = hits[f"hr@{k}"]
    return figures


def compare(arguments: argparse.Namespace) -> Record:
    """Return how far the first variant is above the second: means over the seeds.

    Each user's figures are averaged over the seeds that both variants have, then the
    users are drawn again and again, the same ones for both.

    Raises:
        ValueError: if no seed of both was trained, or its ranks are not here.
    """
    first, second = (
        {
            record["seed"]: ranks_file(arguments.work, record["settings"])
            for record in read_records(arguments.results)
            if (record["variant"], record["epochs"]) == (name, arguments.epochs)
        }
        for name in arguments.variants
    )
    seeds = [
        seed
        for seed in arguments.seeds
        if all(seed in files and files[seed].exists() for files in (first, second))
    ]
    if not seeds:
        raise ValueError(
            f"there are no ranks of {' and '.join(arguments.variants)} after "
            f"{arguments.epochs} epochs with one seed in {arguments.work}; run both "
            "with this --work first"
        )
    means = [
        mean_of_seeds([figures_of(files[seed]) for seed in seeds])
        for files in (first, second)
    ]
    intervals = bootstrap_intervals(
        paired_difference(*means), resamples=2000, confidence=0.95, seed=1
    )
    return {
        "variants": arguments.variants,
        "seeds": seeds,
        "epochs": arguments.epochs,
        "means": [{name: float(one[name].mean()) for name in SHOWN} for one in means],
        "differences": {name: asdict(intervals[name]) for name in SHOWN},
    }


def mean_of_seeds(figures: Sequence[Figures]) -> Figures:
    """Return each query's mean figures over several trainings."""
    return {
        name: np.mean([one[name] for one in figures], axis=0) for name in figures[0]
    }


def table(records: Sequence[Record], epochs: int) -> str:
    """Return a Markdown table of the means over seeds, the best of validation first."""
    own = [record for record in records if record["epochs"] == epochs]
    names = dict.fromkeys(record["variant"] for record in own)
    by_name = {name: [r for r in own if r["variant"] == name] for name in names}
    head = ["variant", "seeds", "validation HR@50"]
    head += [f"test {name.upper()}" for name in SHOWN]
    head += ["least used head, times H", "training, s"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    order = sorted(names, key=lambda name: -mean(by_name[name], "validation", "hr@50"))
    for name in order:
        runs = by_name[name]
        lines.append(
            [
                name,
                str(len(runs)),
                f"{mean(runs, 'validation', 'hr@50'):.4f}",
                *(f"{mean(runs, 'test', figure):.4f}" for figure in SHOWN),
                f"{mean(runs, 'head_posterior_min') * mean(runs, 'heads'):.2f}",
                f"{np.mean([sum(run['epoch_seconds']) for run in runs]):.0f}",
            ]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mean(records: Sequence[Mapping[str, Any]], *path: str) -> float:
    """Return the mean of a figure over records."""
    values: list[Any] = list(records)
    for name in path:
        values = [value[name] for value in values]
    return float(np.mean(values))


def read_records(path: Path) -> list[Record]:
    """Return the records that there are."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def append(path: Path, record: Record) -> None:
    """Add a record; one line at once, so that several runs may share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
