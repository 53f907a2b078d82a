"""Variants of a preset on MovieLens 1M: trained, kept, compared, put in a table.

A study (`benchmarks.interests`, `benchmarks.transformer`) names a preset and what its
variants change. `run` adds a JSON line for each training to the study's results; what
is there already is not trained again, and a training that was cut short goes on from
its checkpoint. One work folder serves one run at a time.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.machine import describe_commit, describe_machine
from benchmarks.project import DATASET, ROOT, Project
from benchmarks.records import (
    CURRENT,
    FILE_ORDER,
    Groups,
    Record,
    append,
    commits_of,
    groups_of,
    read_records,
    same_runs,
    short,
    ties_of,
)
from two_tower.atomic import file_sha256
from two_tower.evaluation.queries import (
    EvaluationQueries,
    read_evaluation_queries,
    read_query_vectors,
)
from two_tower.index.vectors import read_item_embeddings
from two_tower.metrics.accuracy import QueryMetrics, mean_metrics, query_metrics
from two_tower.metrics.bootstrap import bootstrap_intervals, paired_difference
from two_tower.metrics.ranks import dot_product_ranks
from two_tower.ragged import Ragged
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.params import Training
from two_tower.types import FloatArray

WORK = Path(__file__).parent / ".work"
RESULTS = ROOT / "docs" / "results"
CUTOFFS = (10, 50, 200)
FIGURES = ("hr@10", "ndcg@10", "hr@50", "hr@200")
ITEM_BLOCK = 8192
DIGITS = 16  # of a SHA-256: enough to tell a few files or trainings apart

# Parameter → the group of its alternatives, of which the other ones are not read.
CHOICES = {
    "history": {"kind": "histories"},
    "objective": {"kind": "objectives"},
    "negatives": {"kind": "sources"},
    "schedule": {"kind": "schedules"},
    "averaging": "averages",
}

COMMITS = "commits.json"  # beside a checkpoint: those that trained up to it

Cell: TypeAlias = Callable[[Sequence[Record]], str]
"""From the trainings of one variant to a cell of its row."""


@dataclass(frozen=True)
class Study:
    """Variants of a preset, and what is said of each.

    Attributes:
        name: of its module and of its file of results.
        preset: what they change, as the environment `ml-1m` has it.
        variants: name → the parameters of training that it sets, by dotted name, and
            `preset` where it changes another one.
        epochs: of a training, unless the command line says otherwise.
        shown: the test figures that a record keeps and a comparison shows.
        order: the validation figure that puts the table's rows in order.
        columns: head → cell.
        notes: from parameters and best epoch to what a record holds of them beside.
    """

    name: str
    preset: str
    variants: Mapping[str, Mapping[str, Any]]
    epochs: int
    shown: Sequence[str]
    order: str
    columns: Mapping[str, Cell]
    notes: Callable[[Training, Mapping[str, Any]], Record]

    @property
    def results(self) -> Path:
        """Where its records are kept, unless the command line says otherwise."""
        return RESULTS / f"{self.name}.jsonl"


def main(study: Study, description: str | None) -> None:
    """Do with a study what the command line asks for."""
    arguments = read_arguments(study, description)
    if arguments.do == "run":
        run_variants(study, arguments)
    elif arguments.do == "table":
        groups = read_groups(study, arguments)
        sys.stdout.write(f"{describe_runs(groups, arguments)}\n\n")
        sys.stdout.write(table(study, groups))
    else:
        compared = compare(study, arguments)
        sys.stdout.write(json.dumps(compared, indent=2) + "\n")


def read_arguments(study: Study, description: str | None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("do", choices=["run", "table", "compare"])
    names = [*study.variants]
    parser.add_argument("variants", nargs="*", metavar="variant", default=names)
    parser.add_argument("--epochs", type=int, default=study.epochs)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--ties", choices=[FILE_ORDER, "shuffled"], default=FILE_ORDER)
    raw = ROOT / "data" / "01_raw" / f"{DATASET}.zip"
    parser.add_argument("--archive", type=Path, default=raw, help="MovieLens 1M")
    parser.add_argument("--results", type=Path, default=study.results)
    parser.add_argument("--work", type=Path, default=WORK, help="data, ranks")
    arguments = parser.parse_args()
    if arguments.do == "compare" and len(arguments.variants) != 2:  # noqa: PLR2004
        parser.error("compare takes the names of two variants")
    if unknown := sorted(set(arguments.variants) - set(names)):
        parser.error(f"no such variant: {', '.join(unknown)}; there are {names}")
    return arguments


def run_variants(study: Study, arguments: argparse.Namespace) -> None:
    """Train each variant with each seed, unless there is a line of it already."""
    project = Project(work_folder(arguments))
    project.set_up(arguments.archive, None)
    project.run("data", of_data(arguments.ties))
    archive = archive_hash(arguments.archive)
    made = {"archive": archive, "ties": arguments.ties}
    for seed in arguments.seeds:
        for variant in arguments.variants:
            asked = asked_of(study, variant, seed, arguments)
            settings = project.parameters(asked)["training"]
            known = {
                record["settings"]
                for record in read_records(arguments.results)
                if record["variant"] == variant
                and ties_of(record) == arguments.ties
                and record.get("archive") == archive
            }
            if digest(settings) not in known:
                kept = ranks_file(project.folder, archive, digest(settings))
                commits = begin(project, training=f"{archive} {digest(settings)}")
                record = {
                    "variant": variant,
                    "commits": commits,
                    "command": command_of(study, variant, seed, arguments),
                    **made,
                    **run_variant(study, project, asked, settings, kept),
                }
                append(arguments.results, record)


def begin(project: Project, *, training: str) -> list[str | None]:
    """Return the commits that a training runs at: more than one if it was cut short.

    They lie beside its checkpoint. A checkpoint of another training, or of no known
    commit, is of no use and removed.
    """
    commits: list[str | None] = []
    beside = project.checkpoints / COMMITS
    if beside.exists() and CheckpointStore(project.checkpoints).path.exists():
        kept = json.loads(beside.read_text(encoding="utf-8"))
        commits = kept["commits"] if kept["training"] == training else []
    if not commits:
        project.forget_training()
    commit = describe_commit()
    if commit not in commits:
        commits.append(commit)
    beside.parent.mkdir(parents=True, exist_ok=True)
    content = {"training": training, "commits": commits}
    beside.write_text(json.dumps(content), encoding="utf-8")
    return commits


def archive_hash(archive: Path) -> str:
    """Return what tells an archive from others.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not archive.exists():
        raise FileNotFoundError(
            f"there is no {archive}; --archive names the file of MovieLens 1M that "
            "results are of"
        )
    return file_sha256(archive)[:DIGITS]


def read_groups(study: Study, arguments: argparse.Namespace) -> Groups:
    """Return the trainings that the command line means, by variant and settings."""
    records = same_runs(
        read_records(arguments.results),
        epochs=arguments.epochs,
        ties=arguments.ties,
        archive=archive_hash(arguments.archive),
    )
    seeds: dict[str, set[int]] = {}
    for record in records:
        seeds.setdefault(record["variant"], set()).add(record["seed"])
    current = {
        (variant, seed): digest(settings)
        for variant in study.variants
        if variant in seeds
        for seed, settings in settings_of(study, variant, seeds[variant], arguments)
    }
    return groups_of(records, current)


def settings_of(
    study: Study, variant: str, seeds: Iterable[int], arguments: argparse.Namespace
) -> Iterator[tuple[int, Training]]:
    """Return what this checkout would train a variant with, seed by seed."""
    asked = asked_of(study, variant, 0, arguments)
    settings = Project(ROOT).parameters(asked)["training"]
    for seed in seeds:
        yield seed, settings.model_copy(update={"seed": seed})


def asked_of(
    study: Study, variant: str, seed: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Return what a variant is run with, as the command line says."""
    return parameters_of(
        study, variant, seed, epochs=arguments.epochs, ties=arguments.ties
    )


def command_of(
    study: Study, variant: str, seed: int, arguments: argparse.Namespace
) -> str:
    """Return the command that makes a record, but for where files lie."""
    ties = "" if arguments.ties == FILE_ORDER else f" --ties {arguments.ties}"
    asked = f"--seeds {seed} --epochs {arguments.epochs}{ties}"
    return f"python -m benchmarks.{study.name} run {variant} {asked}"


def work_folder(arguments: argparse.Namespace) -> Path:
    """Return where data and ranks lie: data of another order have a folder inside."""
    work: Path = arguments.work
    return work if arguments.ties == FILE_ORDER else work / arguments.ties


def of_data(ties: str) -> dict[str, Any]:
    """Return what the data pipeline is run with."""
    return {} if ties == FILE_ORDER else {"sequencing.order.ties": ties}


def parameters_of(
    study: Study, variant: str, seed: int, *, epochs: int, ties: str = FILE_ORDER
) -> dict[str, Any]:
    """Return what a variant is run with, as `kedro run --params` takes it."""
    changes = {"preset": study.preset, **study.variants[variant]}
    return {
        "preset": changes.pop("preset"),
        **of_data(ties),
        "training.seed": seed,
        "training.epochs": epochs,
        **{f"training.{name}": value for name, value in changes.items()},
    }


def digest(settings: Training) -> str:
    """Return a name of all parameters that a training reads, whoever set them."""
    parameters = settings.model_dump(mode="json")
    for choice, alternatives in CHOICES.items():
        chosen = parameters[alternatives].get(parameters[choice])
        parameters[alternatives] = chosen
    written = json.dumps(parameters, sort_keys=True).encode()
    return hashlib.sha256(written).hexdigest()[:DIGITS]


def run_variant(
    study: Study,
    project: Project,
    asked: Mapping[str, Any],
    settings: Training,
    kept: Path,
) -> Record:
    """Return one training's figures, and keep the rank of each test positive."""
    load = os.getloadavg()[0]  # before the training, which adds to it
    project.run("training,export", asked)
    history, embeddings, queries, examples = project.load(
        "training_history", "item_embeddings", "test_queries", "test_examples"
    )
    cases = read_evaluation_queries(examples)
    vectors = read_query_vectors(queries, cases.users).vectors
    items = read_item_embeddings(embeddings).vectors
    keep_ranks(kept, vectors, items, cases)
    best = max(
        (epoch for epoch in history if "val_ndcg@10" in epoch),
        key=lambda epoch: epoch["val_ndcg@10"],
    )
    test = mean_metrics(figures_of(kept))
    return {
        "seed": settings.seed,
        "epochs": settings.epochs,
        "settings": digest(settings),
        "parameters": dict(asked),
        "machine": describe_machine(),
        "load_before": round(load, 2),
        "best_epoch": best["epoch"],
        "validation": {name: best[f"val_{name}"] for name in FIGURES},
        "test": {name: test[name] for name in study.shown},
        **study.notes(settings, best),
        "epoch_seconds": [epoch["seconds"] for epoch in history],
        "epoch_hr@10": [epoch.get("val_hr@10") for epoch in history],
    }


def keep_ranks(
    kept: Path, vectors: FloatArray, items: FloatArray, cases: EvaluationQueries
) -> None:
    """Keep the rank of each test positive, by all vectors of its user and by each."""
    ranks = ranks_of(vectors, items, cases)
    by_vector = (
        [ranks]
        if vectors.shape[1] == 1
        else [
            ranks_of(vectors[:, [vector]], items, cases)
            for vector in range(vectors.shape[1])
        ]
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        kept,
        ranks=ranks,
        by_vector=np.stack(by_vector),
        offsets=cases.targets.offsets,
    )


def ranks_of(
    vectors: FloatArray, items: FloatArray, cases: EvaluationQueries
) -> npt.NDArray[np.int64]:
    """Return the rank of each positive by the nearest of its user's vectors."""
    return dot_product_ranks(
        vectors, items, cases.targets, cases.seen, item_block=ITEM_BLOCK
    )


def ranks_file(work: Path, archive: str, settings: str) -> Path:
    """Return where the ranks of a training's test positives lie."""
    return work / "ranks" / archive / f"{settings}.npz"


def figures_of(kept: Path) -> QueryMetrics:
    """Return each test query's figures.

    `hr@k` is of the k items that are nearest to any of the user's V vectors;
    `shared_hr@k` of the k / V nearest of each vector, as many candidates together.
    """
    with np.load(kept) as arrays:
        offsets, by_vector = arrays["offsets"], arrays["by_vector"]
        ranks = Ragged(arrays["ranks"], offsets)
        figures = dict(query_metrics(ranks, cutoffs=CUTOFFS))
        for k in CUTOFFS:
            is_near = (by_vector < -(-k // len(by_vector))).any(axis=0)
            hits = query_metrics(Ragged(np.where(is_near, 0, k), offsets), cutoffs=[k])
            figures[f"shared_hr@{k}"] = hits[f"hr@{k}"]
    return figures


def compare(study: Study, arguments: argparse.Namespace) -> Record:
    """Return how far the first variant is above the second: means over the seeds.

    Each user's figures are averaged over the seeds that both variants have, then the
    users are drawn again and again, the same ones for both.

    Raises:
        ValueError: if no seed of both was trained with like settings, or its ranks are
            not here.
    """
    work, groups = work_folder(arguments), read_groups(study, arguments)
    settings, (first, second) = comparable(
        [
            {
                settings: {
                    run["seed"]: ranks_file(work, run["archive"], run["settings"])
                    for run in runs
                }
                for (variant, settings), runs in groups.items()
                if variant == name
            }
            for name in arguments.variants
        ]
    )
    seeds = [
        seed
        for seed in arguments.seeds
        if all(seed in files and files[seed].exists() for files in (first, second))
    ]
    if not seeds:
        raise ValueError(
            f"there are no ranks of {' and '.join(arguments.variants)} after "
            f"{arguments.epochs} epochs with one seed in {work}; run both "
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
        "ties": arguments.ties,
        "settings": settings,
        "means": [
            {name: float(one[name].mean()) for name in study.shown} for one in means
        ],
        "differences": {name: asdict(intervals[name]) for name in study.shown},
    }


def comparable(
    by_settings: Sequence[Mapping[str, Mapping[int, Path]]],
) -> tuple[str, Sequence[Mapping[int, Path]]]:
    """Return the settings that two variants have in common, and the files of these.

    The current ones if both have them, else those of the newest commit of both.
    """
    first, second = by_settings
    common = [settings for settings in first if settings in second]
    if not common:
        return CURRENT, ({}, {})
    settings = CURRENT if CURRENT in common else common[-1]
    return settings, (first[settings], second[settings])


def mean_of_seeds(figures: Sequence[QueryMetrics]) -> QueryMetrics:
    """Return each query's mean figures over several trainings."""
    return {
        name: np.mean([one[name] for one in figures], axis=0) for name in figures[0]
    }


def describe_runs(groups: Groups, arguments: argparse.Namespace) -> str:
    """Return what the rows of a table have in common, and how they differ."""
    commits = {
        short(commits_of(run))
        for (_, settings), runs in groups.items()
        if settings == CURRENT
        for run in runs
    }
    return (
        f"{arguments.epochs} epochs, ties in {arguments.ties}, archive "
        f"{archive_hash(arguments.archive)}. Rows of `{CURRENT}` settings are what "
        f"this checkout trains, made at {', '.join(sorted(commits)) or 'none'}. "
        "Any other row is of older settings, those of the commit (or the digest) that "
        "it names."
    )


def table(study: Study, groups: Groups) -> str:
    """Return a Markdown table of the means over seeds.

    Current settings come first, and among like ones the best of validation.
    """

    def place(key: tuple[str, str]) -> tuple[bool, float]:
        return key[1] != CURRENT, -mean(groups[key], "validation", study.order)

    lines = [
        ["variant", "settings", "seeds", *study.columns],
        ["---", "---", *["---:"] * (1 + len(study.columns))],
    ]
    for key in sorted(groups, key=place):
        runs = groups[key]
        cells = [cell(runs) for cell in study.columns.values()]
        lines.append([*key, str(len(runs)), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def figure_columns(part: str, figures: Sequence[str]) -> dict[str, Cell]:
    """Return a column for the mean of each figure of validation or test."""
    return {
        f"{part} {name.upper()}": lambda runs, name=name: (  # type: ignore[misc]
            f"{mean(runs, part, name):.4f}"
        )
        for name in figures
    }


def request_time(runs: Sequence[Record]) -> str:
    """Return whether the towers know when they are asked, which is given away.

    A record that doesn't say so itself has it among what was asked for, if at all.
    """
    is_known = any(
        value
        for run in runs
        for name, value in {**run.get("parameters", {}), **run}.items()
        if name.rpartition(".")[-1] == "request_time"
    )
    return "known" if is_known else "no"


def training_seconds(runs: Sequence[Record]) -> str:
    """Return the mean seconds of training, validation left out."""
    return f"{np.mean([sum(run['epoch_seconds']) for run in runs]):.0f}"


def mean(records: Sequence[Mapping[str, Any]], *path: str) -> float:
    """Return the mean of a figure over records."""
    values: list[Any] = list(records)
    for name in path:
        values = [value[name] for value in values]
    return float(np.mean(values))
