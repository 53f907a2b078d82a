"""What vectors, heads, negatives and losses are worth to `multi-interest`.

`python -m benchmarks.interests run base one-vector --seeds 1 2 3` trains variants of
the preset on MovieLens 1M and adds a line for each to docs/results/interests.jsonl;
what is there already is not trained again. `… table` prints them, and `… compare base
one-vector` the difference of two, over the seeds that both have.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_commit, describe_machine
from benchmarks.project import DATASET, ROOT, Project
from two_tower.evaluation.cases import read_cases, read_queries
from two_tower.metrics.intervals import bootstrap_intervals, paired_difference
from two_tower.metrics.ranking import Figures, mean_figures, query_figures
from two_tower.metrics.ranks import worst_ranks
from two_tower.ragged import Ragged
from two_tower.retrieval.embeddings import read_item_embeddings

WORK = Path(__file__).parent / ".work"
RESULTS = ROOT / "docs" / "results" / "interests.jsonl"
PRESET = "multi-interest"
CUTOFFS = (10, 50, 200)
SHOWN = ("hr@10", "ndcg@10", "hr@50", "hr@200")
ITEM_BLOCK = 8192

HEADS = 16  # of the preset
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
    "unique": {"sources.queue.unique": True},
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
            key = (variant, seed, arguments.epochs)
            if key not in map(key_of, read_records(arguments.results)):
                record = run_variant(project, *key)
                append(arguments.results, record)


def run_variant(project: Project, variant: str, seed: int, epochs: int) -> Record:
    """Return one variant's figures, and keep the rank of each test positive."""
    parameters = {
        "preset": PRESET,
        "training.seed": seed,
        "training.epochs": epochs,
        **{f"training.{name}": value for name, value in VARIANTS[variant].items()},
    }
    commit = describe_commit()  # before the training: it may move meanwhile
    project.forget_training()
    project.run("training,export", parameters)
    history, embeddings, queries, examples = project.load(
        "training_history", "item_embeddings", "test_queries", "test_examples"
    )
    cases = read_cases(examples)
    ranks = worst_ranks(
        read_queries(queries, cases.users),
        read_item_embeddings(embeddings).vectors,
        cases.targets,
        cases.seen,
        item_block=ITEM_BLOCK,
    )
    kept = ranks_file(project.folder, variant, seed, epochs)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(kept, ranks=ranks, offsets=cases.targets.offsets)
    best = max(history, key=lambda epoch: epoch["val_ndcg@10"])
    test = mean_figures(figures_of(kept))
    return {
        "variant": variant,
        "seed": seed,
        "epochs": epochs,
        "parameters": parameters,
        "commit": commit,
        "machine": describe_machine(),
        "best_epoch": best["epoch"],
        "validation": {name: best[f"val_{name}"] for name in SHOWN},
        "test": {name: test[name] for name in SHOWN},
        "head_posterior_min": best["head_posterior_min"],
        "head_posterior_max": best["head_posterior_max"],
        "epoch_seconds": [epoch["seconds"] for epoch in history],
    }


def ranks_file(work: Path, variant: str, seed: int, epochs: int) -> Path:
    """Return where the ranks of a training's test positives lie."""
    return work / "ranks" / f"{variant}-{seed}-{epochs}.npz"


def figures_of(kept: Path) -> Figures:
    """Return each test query's figures."""
    with np.load(kept) as arrays:
        return query_figures(
            Ragged(arrays["ranks"], arrays["offsets"]), cutoffs=CUTOFFS
        )


def compare(arguments: argparse.Namespace) -> Record:
    """Return how far the first variant is above the second: means over the seeds.

    Each user's figures are averaged over the seeds that both variants have, then the
    users are drawn again and again, the same ones for both.
    """
    first, second = arguments.variants
    done = set(map(key_of, read_records(arguments.results)))
    epochs = arguments.epochs
    seeds = [
        seed
        for seed in arguments.seeds
        if {(first, seed, epochs), (second, seed, epochs)} <= done
    ]
    means = [
        mean_of_seeds(
            [
                figures_of(ranks_file(arguments.work, name, seed, epochs))
                for seed in seeds
            ]
        )
        for name in (first, second)
    ]
    intervals = bootstrap_intervals(
        paired_difference(*means), resamples=2000, confidence=0.95, seed=1
    )
    return {
        "first": first,
        "second": second,
        "seeds": seeds,
        "epochs": epochs,
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
        heads = VARIANTS[name].get(f"{HISTORY}.n_heads", HEADS)
        lines.append(
            [
                name,
                str(len(runs)),
                f"{mean(runs, 'validation', 'hr@50'):.4f}",
                *(f"{mean(runs, 'test', figure):.4f}" for figure in SHOWN),
                f"{mean(runs, 'head_posterior_min') * heads:.2f}",
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


def key_of(record: Record) -> tuple[str, int, int]:
    """Return what makes two records those of the same training."""
    return record["variant"], record["seed"], record["epochs"]


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
