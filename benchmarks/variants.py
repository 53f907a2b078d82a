"""Studies of a preset on MovieLens 1M: train variants, record, tabulate, compare.

A study (`benchmarks.interests`, `benchmarks.transformer`) names a preset and the
changes of each variant. `run` adds one JSON line per training to the study's results;
recorded trainings are not repeated, and an interrupted one resumes from its checkpoint.
A work folder serves one run at a time.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_commit, describe_machine
from benchmarks.project import DATASET, ROOT, Project
from benchmarks.ranks import mean_over_seeds, ranks_file, read_metrics, save_ranks
from benchmarks.records import (
    CURRENT,
    FILE_ORDER,
    Cell,
    Groups,
    Record,
    append,
    commits_of,
    groups_of,
    mean,
    read_records,
    same_runs,
    short,
    ties_of,
)
from two_tower.evaluation.queries import (
    read_evaluation_queries,
    read_query_vectors,
)
from two_tower.hashes import file_sha256
from two_tower.index.vectors import read_item_embeddings
from two_tower.metrics.accuracy import mean_metrics
from two_tower.metrics.bootstrap import bootstrap_intervals, paired_difference
from two_tower.params import OneOf, Params
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.params import Training

WORK = Path(__file__).parent / ".work"
RESULTS = ROOT / "docs" / "results"
METRICS = ("hr@10", "ndcg@10", "hr@50", "hr@200")
DIGITS = 16  # of a SHA-256; enough to distinguish a few files or trainings
COMMITS = "commits.json"  # beside a checkpoint: the commits that trained up to it


@dataclass(frozen=True)
class Study:
    """Variants of a preset, and the columns of their table.

    Attributes:
        name: of its module and of its results.
        preset: the preset that variants change, in environment `ml-1m`.
        variants: name → changed parameters of training, by dotted path; `preset`
            replaces the study's preset.
        epochs: default of the command line.
        test_metrics: metrics in a record and in a comparison.
        sort_by: validation metric that sorts the table.
        columns: head → cell.
        notes: maps parameters and best epoch to further entries of a record.
    """

    name: str
    preset: str
    variants: Mapping[str, Mapping[str, Any]]
    epochs: int
    test_metrics: Sequence[str]
    sort_by: str
    columns: Mapping[str, Cell]
    notes: Callable[[Training, Mapping[str, Any]], Record]

    @property
    def results(self) -> Path:
        """Default file of its records."""
        return RESULTS / f"{self.name}.jsonl"


def main(study: Study, description: str | None) -> None:
    """Run the command line of a study."""
    arguments = read_arguments(study, description)
    if arguments.command == "run":
        run_variants(study, arguments)
    elif arguments.command == "table":
        groups = read_groups(study, arguments)
        sys.stdout.write(f"{describe_runs(groups, arguments)}\n\n")
        sys.stdout.write(table(study, groups))
    else:
        compared = compare(study, arguments)
        sys.stdout.write(json.dumps(compared, indent=2) + "\n")


def read_arguments(study: Study, description: str | None) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("command", choices=["run", "table", "compare"])
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
    if arguments.command == "compare" and len(arguments.variants) != 2:  # noqa: PLR2004
        parser.error("compare takes the names of two variants")
    if unknown := sorted(set(arguments.variants) - set(names)):
        parser.error(f"unknown variant: {', '.join(unknown)}; choose from {names}")
    return arguments


def run_variants(study: Study, arguments: argparse.Namespace) -> None:
    """Train each variant with each seed, except those already recorded."""
    project = Project(work_folder(arguments))
    project.set_up(arguments.archive, None)
    project.run("data", data_parameters(arguments.ties))
    archive = archive_hash(arguments.archive)
    data = {"archive": archive, "ties": arguments.ties}
    for seed in arguments.seeds:
        for variant in arguments.variants:
            given = parameters_of(
                study, variant, seed, epochs=arguments.epochs, ties=arguments.ties
            )
            settings = project.parameters(given)["training"]
            recorded = {
                record["settings"]
                for record in read_records(arguments.results)
                if record["variant"] == variant
                and ties_of(record) == arguments.ties
                and record.get("archive") == archive
            }
            if digest(settings) in recorded:
                continue
            commits = begin(project, training=f"{archive} {digest(settings)}")
            path = ranks_file(project.folder, archive, digest(settings))
            record = {
                "variant": variant,
                "commits": commits,
                "command": command_of(study, variant, seed, arguments),
                **data,
                **run_variant(study, project, given, settings, path),
            }
            append(arguments.results, record)


def begin(project: Project, *, training: str) -> list[str | None]:
    """Return the commits that a training runs at: several if it was interrupted.

    They lie beside its checkpoint. A checkpoint of another training, or of unknown
    commits, is removed.
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


def run_variant(
    study: Study,
    project: Project,
    given: Mapping[str, Any],
    settings: Training,
    path: Path,
) -> Record:
    """Return the record of one training, and save the ranks of its test positives."""
    load = os.getloadavg()[0]  # before the training, which adds to it
    project.run("training,export", given)
    history, embeddings, test_queries, examples = project.load(
        "training_history", "item_embeddings", "test_queries", "test_examples"
    )
    queries = read_evaluation_queries(examples)
    vectors = read_query_vectors(test_queries, queries.users).vectors
    save_ranks(path, vectors, read_item_embeddings(embeddings).vectors, queries)
    best = max(
        (epoch for epoch in history if "val_ndcg@10" in epoch),
        key=lambda epoch: epoch["val_ndcg@10"],
    )
    test = mean_metrics(read_metrics(path))
    return {
        "seed": settings.seed,
        "epochs": settings.epochs,
        "settings": digest(settings),
        "parameters": dict(given),
        "machine": describe_machine(),
        "load_before": round(load, 2),
        "best_epoch": best["epoch"],
        "validation": {name: best[f"val_{name}"] for name in METRICS},
        "test": {name: test[name] for name in study.test_metrics},
        **study.notes(settings, best),
        "epoch_seconds": [epoch["seconds"] for epoch in history],
        "epoch_hr@10": [epoch.get("val_hr@10") for epoch in history],
    }


def archive_hash(archive: Path) -> str:
    """Return the digest that identifies an archive.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not archive.exists():
        raise FileNotFoundError(
            f"there is no {archive}; give the file of MovieLens 1M by --archive"
        )
    return file_sha256(archive)[:DIGITS]


def digest(settings: Training) -> str:
    """Return a hash of the parameters that a training reads, whoever set them."""
    written = json.dumps(_options_in_use(settings), sort_keys=True).encode()
    return hashlib.sha256(written).hexdigest()[:DIGITS]


def _options_in_use(value: Any) -> Any:
    """Return parameters as plain values, without groups of kinds not chosen."""
    if isinstance(value, Params):
        names = set(type(value).model_fields)
        if isinstance(value, OneOf):
            names -= {kind for kind in value.kinds() if kind != value.kind}
        return {name: _options_in_use(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {name: _options_in_use(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_options_in_use(one) for one in value]
    return value


def parameters_of(
    study: Study, variant: str, seed: int, *, epochs: int, ties: str = FILE_ORDER
) -> dict[str, Any]:
    """Return the parameters of a run, as `kedro run --params` takes them."""
    changes = {"preset": study.preset, **study.variants[variant]}
    return {
        "preset": changes.pop("preset"),
        **data_parameters(ties),
        "training.seed": seed,
        "training.epochs": epochs,
        **{f"training.{name}": value for name, value in changes.items()},
    }


def data_parameters(ties: str) -> dict[str, Any]:
    """Return the parameters of the data pipeline."""
    return {} if ties == FILE_ORDER else {"sequencing.order.ties": ties}


def command_of(
    study: Study, variant: str, seed: int, arguments: argparse.Namespace
) -> str:
    """Return the command that repeats a record, without the paths of files."""
    ties = "" if arguments.ties == FILE_ORDER else f" --ties {arguments.ties}"
    options = f"--seeds {seed} --epochs {arguments.epochs}{ties}"
    return f"python -m benchmarks.{study.name} run {variant} {options}"


def work_folder(arguments: argparse.Namespace) -> Path:
    """Return the folder of data and ranks; each order of ties has its own."""
    work: Path = arguments.work
    return work if arguments.ties == FILE_ORDER else work / arguments.ties


def read_groups(study: Study, arguments: argparse.Namespace) -> Groups:
    """Return the recorded trainings that the command line selects."""
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
    """Yield each seed with the parameters of training in this checkout."""
    given = parameters_of(
        study, variant, 0, epochs=arguments.epochs, ties=arguments.ties
    )
    settings = Project(ROOT).parameters(given)["training"]
    for seed in seeds:
        yield seed, settings.model_copy(update={"seed": seed})


def compare(study: Study, arguments: argparse.Namespace) -> Record:
    """Return the difference of two variants in test metrics, first minus second.

    Each user's metrics are averaged over the seeds that both variants have; a paired
    bootstrap over users gives the intervals.

    Raises:
        ValueError: if no seed of both has equal settings and saved ranks.
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
    metrics = [
        mean_over_seeds([read_metrics(files[seed]) for seed in seeds])
        for files in (first, second)
    ]
    intervals = bootstrap_intervals(
        paired_difference(*metrics), resamples=2000, confidence=0.95, seed=1
    )
    return {
        "variants": arguments.variants,
        "seeds": seeds,
        "epochs": arguments.epochs,
        "ties": arguments.ties,
        "settings": settings,
        "means": [
            {name: float(one[name].mean()) for name in study.test_metrics}
            for one in metrics
        ],
        "differences": {name: asdict(intervals[name]) for name in study.test_metrics},
    }


def comparable(
    by_settings: Sequence[Mapping[str, Mapping[int, Path]]],
) -> tuple[str, Sequence[Mapping[int, Path]]]:
    """Return the common settings of two variants, with the ranks of each by seed.

    These are the current settings if both have them, else those of the newest common
    commit.
    """
    first, second = by_settings
    common = [settings for settings in first if settings in second]
    if not common:
        return CURRENT, ({}, {})
    settings = CURRENT if CURRENT in common else common[-1]
    return settings, (first[settings], second[settings])


def describe_runs(groups: Groups, arguments: argparse.Namespace) -> str:
    """Return the heading of a table: what its rows have in common, how they differ."""
    commits = {
        short(commits_of(run))
        for (_, settings), runs in groups.items()
        if settings == CURRENT
        for run in runs
    }
    return (
        f"{arguments.epochs} epochs, ties in {arguments.ties}, archive "
        f"{archive_hash(arguments.archive)}. Rows of `{CURRENT}` settings have the "
        "parameters of this checkout; their commits are "
        f"{', '.join(sorted(commits)) or 'none'}. Other rows have older settings, "
        "identified by commit or digest."
    )


def table(study: Study, groups: Groups) -> str:
    """Return a Markdown table of means over seeds.

    Current settings come first, then the best validation metric.
    """

    def order(key: tuple[str, str]) -> tuple[bool, float]:
        return key[1] != CURRENT, -mean(groups[key], "validation", study.sort_by)

    lines = [
        ["variant", "settings", "seeds", *study.columns],
        ["---", "---", *["---:"] * (1 + len(study.columns))],
    ]
    for key in sorted(groups, key=order):
        runs = groups[key]
        cells = [cell(runs) for cell in study.columns.values()]
        lines.append([*key, str(len(runs)), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
