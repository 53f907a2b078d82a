import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from omegaconf import OmegaConf

from benchmarks import transformer, variants
from benchmarks.project import Project
from benchmarks.ranks import ranks_file, read_metrics
from benchmarks.records import (
    CURRENT,
    metric_columns,
    read_records,
    request_time,
    training_seconds,
)
from benchmarks.variants import (
    Study,
    archive_hash,
    begin,
    compare,
    digest,
    parameters_of,
    read_arguments,
    read_groups,
    run_variants,
    table,
)
from tests.benchmarks.resolved import training_of
from tests.training.tiny import parameters
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.params import Training

STUDY = Study(
    name="sizes",
    preset="mean",
    variants={"base": {}, "wide": {"dimension": 128}},
    epochs=3,
    test_metrics=["hr@10", "hr@50"],
    sort_by="hr@50",
    columns={**metric_columns("test", ["hr@10"]), "training, s": training_seconds},
    notes=lambda settings, best: {"rate": settings.optimizer.learning_rate},
)


# Variant and seed → digest of the settings of this checkout.
SETTINGS = {("base", 1): "a", ("base", 2): "c", ("wide", 1): "b", ("wide", 2): "d"}
ARCHIVE = hashlib.sha256(b"").hexdigest()[:16]


def save(folder, settings, ranks, by_vector, archive=ARCHIVE):
    """Save the ranks of one positive per user."""
    file = ranks_file(folder, archive, settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, ranks=ranks, by_vector=by_vector, offsets=np.arange(len(ranks) + 1))
    return file


def record(variant, seed, settings, hits=0.5):
    metrics = dict.fromkeys(("hr@10", "ndcg@10", "hr@50", "hr@200"), hits)
    return {
        "variant": variant,
        "seed": seed,
        "epochs": 3,
        "settings": settings,
        "archive": ARCHIVE,
        "commits": ["0123456789abcdef"],
        "validation": metrics,
        "test": metrics,
        "epoch_seconds": [10.0, 12.0],
    }


def test_several_vectors_share_the_candidates_of_one(tmp_path):
    # Of 50 candidates each of two vectors has 25: ranks from 0 to 24 are among them.
    ranks, by_vector = [30, 20, 49], [[24, 25, 60], [90, 25, 60]]
    found = read_metrics(save(tmp_path, "one", ranks, by_vector))
    assert found["hr@50"].tolist() == [1, 1, 1]
    assert found["shared_hr@50"].tolist() == [1, 0, 0]


def test_one_vector_gets_all_candidates(tmp_path):
    found = read_metrics(save(tmp_path, "one", [9, 49, 50], [[9, 49, 50]]))
    for k in (10, 50, 200):
        np.testing.assert_array_equal(found[f"shared_hr@{k}"], found[f"hr@{k}"])


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.setattr(
        variants,
        "settings_of",
        lambda study, variant, seeds, arguments: [
            (seed, SETTINGS.get((variant, seed), "")) for seed in seeds
        ],
    )
    monkeypatch.setattr(
        variants, "digest", lambda one: one if isinstance(one, str) else digest(one)
    )
    save(tmp_path, "a", [5, 5], [[5, 5]])
    save(tmp_path, "b", [5, 60], [[5, 60]])
    lines = [record("base", 1, "a"), record("wide", 1, "b"), record("base", 2, "c")]
    (tmp_path / "ml-1m.zip").touch()
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return SimpleNamespace(
        variants=["base", "wide"],
        seeds=[1, 2],
        epochs=3,
        ties="file_order",
        work=tmp_path,
        archive=tmp_path / "ml-1m.zip",
        results=results,
    )


def test_variants_are_compared_over_their_common_seeds(arguments):
    found = compare(STUDY, arguments)
    assert found["seeds"] == [1]
    assert found["differences"]["hr@50"]["mean"] == 0.5
    assert found["differences"]["hr@10"]["mean"] == 0.5


def test_without_a_common_seed_the_error_says_what_to_run(arguments):
    arguments.seeds = [2]
    with pytest.raises(ValueError, match="no ranks of base and wide after 3"):
        compare(STUDY, arguments)


def test_each_order_of_ties_is_compared_in_its_own_work_folder(arguments):
    arguments.ties = "shuffled"
    with pytest.raises(ValueError, match=f"in {arguments.work / 'shuffled'}; run both"):
        compare(STUDY, arguments)


def add(arguments, *records):
    """Add lines to the results."""
    with arguments.results.open("a") as lines:
        lines.writelines(json.dumps(one) + "\n" for one in records)


def rows_of(arguments):
    """Return the cells of the table's rows, the heads first."""
    written = table(STUDY, read_groups(STUDY, arguments))
    head, _, *rows = [line.strip("| ").split(" | ") for line in written.splitlines()]
    return [head, *rows]


def test_a_table_has_only_runs_of_its_epochs_ties_and_archive(arguments):
    arguments.ties = "shuffled"
    own = record("base", 1, "a") | {"ties": "shuffled"}
    others = [own | {"epochs": 10}, own | {"ties": "file_order"}, record("base", 2, "")]
    add(arguments, own, *others, own | {"archive": "of another"})
    assert read_groups(STUDY, arguments) == {("base", CURRENT): [own]}


def test_the_table_has_a_row_per_variant_best_validation_first(arguments):
    add(arguments, record("wide", 2, "d", hits=0.6))
    assert rows_of(arguments) == [
        ["variant", "settings", "seeds", "test HR@10", "training, s"],
        ["wide", "current", "2", "0.5500", "22"],
        ["base", "current", "2", "0.5000", "22"],
    ]


def test_the_last_line_of_a_seed_counts(arguments):
    add(arguments, record("base", 1, "a", hits=0.7))
    assert ["base", "current", "2", "0.6000", "22"] in rows_of(arguments)


def test_different_archives_are_never_averaged(arguments):
    add(arguments, record("base", 1, "a", hits=0.9) | {"archive": "of another"})
    assert ["base", "current", "2", "0.5000", "22"] in rows_of(arguments)
    arguments.archive.write_text("another one")
    other = {"archive": archive_hash(arguments.archive)}
    add(arguments, record("base", 1, "a", hits=0.9) | other)
    assert rows_of(arguments)[1:] == [["base", "current", "1", "0.9000", "22"]]


def test_older_settings_have_a_row_per_commit(arguments):
    then = {"commit": "fedcba9876543210"}  # once a record had one
    older = [record("base", 1, "x", 0.9), record("base", 2, "y", 0.8)]
    for one in older:
        del one["commits"]
    dirty = record("base", 1, "z", 0.1) | {"commits": ["fedcba9876543210-dirty"]}
    both = {"commits": ["fedcba9876543210", "0123456789abcdef"]}
    add(arguments, *(one | then for one in older), dirty)
    add(arguments, record("gone", 1, "w", 0.2) | both)
    assert rows_of(arguments)[1:] == [
        ["base", "current", "2", "0.5000", "22"],
        ["wide", "current", "1", "0.5000", "22"],
        ["base", "fedcba9876", "2", "0.8500", "22"],
        ["gone", "fedcba9876 + 0123456789", "1", "0.2000", "22"],
        ["base", "z", "1", "0.1000", "22"],
    ]


def test_settings_of_another_variant_are_not_current(arguments):
    add(arguments, record("wide", 2, "a", hits=0.9))
    assert ["wide", "0123456789", "1", "0.9000", "22"] in rows_of(arguments)


def test_older_settings_are_compared_with_each_other(arguments):
    save(arguments.work, "x", [5, 5], [[5, 5]])
    save(arguments.work, "y", [60, 60], [[60, 60]])
    arguments.seeds = [3]
    then = {"commits": ["fedcba9876543210"]}
    add(arguments, record("base", 3, "x") | then, record("wide", 3, "y") | then)
    arguments.results.write_text(
        "".join(arguments.results.read_text().splitlines(keepends=True)[3:])
    )
    found = compare(STUDY, arguments)
    assert found["settings"] == "fedcba9876"
    assert found["differences"]["hr@50"]["mean"] == 1


def test_the_heading_of_a_table_names_epochs_ties_archive_and_commits(
    arguments, monkeypatch, capsys
):
    monkeypatch.setattr(
        variants, "read_arguments", lambda study, description: arguments
    )
    arguments.command = "table"
    variants.main(STUDY, "")
    written = capsys.readouterr().out
    assert written.startswith(f"3 epochs, ties in file_order, archive {ARCHIVE}. ")
    assert "commits are 0123456789. " in written


def test_a_missing_archive_is_reported_with_its_option(tmp_path):
    with pytest.raises(FileNotFoundError, match="file of MovieLens 1M by --archive"):
        archive_hash(tmp_path / "ml-1m.zip")


def test_settings_equal_those_of_a_run(tmp_path):
    archive = tmp_path / "archive.zip"
    archive.touch()
    arguments = SimpleNamespace(epochs=2, ties="file_order")
    found = dict(variants.settings_of(STUDY, "wide", [2], arguments))
    project = Project(tmp_path / "work")
    project.set_up(archive, None)
    given = parameters_of(STUDY, "wide", 2, epochs=2)
    assert found == {2: project.parameters(given)["training"]}


def test_a_known_request_time_is_found_in_record_or_parameters():
    given = {"training.history.multi_interest.events.request_time": True}
    assert request_time([{"parameters": given}]) == "known"
    assert request_time([{"parameters": {}, "request_time": True}]) == "known"
    assert request_time([{"parameters": {}, "request_time": False}]) == "no"


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """Return a project with a checkpoint of training `a`, started at commit `one`."""
    project = Project(tmp_path)
    monkeypatch.setattr(variants, "describe_commit", lambda: "one")
    assert begin(project, training="a") == ["one"]
    CheckpointStore(project.checkpoints).path.touch()
    monkeypatch.setattr(variants, "describe_commit", lambda: "two")
    return project


def test_a_training_resumed_at_another_commit_has_both(interrupted):
    assert begin(interrupted, training="a") == ["one", "two"]
    assert begin(interrupted, training="a") == ["one", "two"]
    assert CheckpointStore(interrupted.checkpoints).path.exists()


def test_a_checkpoint_of_another_training_is_not_resumed(interrupted):
    assert begin(interrupted, training="b") == ["two"]
    assert not CheckpointStore(interrupted.checkpoints).path.exists()


def test_a_checkpoint_of_unknown_commits_is_not_resumed(interrupted):
    (interrupted.checkpoints / variants.COMMITS).unlink()
    assert begin(interrupted, training="a") == ["two"]
    assert not CheckpointStore(interrupted.checkpoints).path.exists()


def test_a_finished_training_run_starts_again(interrupted):
    CheckpointStore(interrupted.checkpoints).clear()
    assert begin(interrupted, training="a") == ["two"]


def test_each_archive_has_its_own_ranks(tmp_path):
    one, other = (ranks_file(tmp_path, name, "settings") for name in ("one", "other"))
    assert one != other


def test_variants_change_the_preset_and_nothing_else():
    assert parameters_of(STUDY, "wide", 2, epochs=3) == {
        "preset": "mean",
        "training.seed": 2,
        "training.epochs": 3,
        "training.dimension": 128,
    }


def test_a_variant_may_change_another_preset():
    other = replace(STUDY, variants={"other": {"preset": "transformer", "seed": 3}})
    found = parameters_of(other, "other", 1, epochs=3)
    assert found["preset"] == "transformer"
    assert "training.preset" not in found


def test_the_order_of_ties_is_a_parameter_of_the_data():
    found = parameters_of(STUDY, "base", 1, epochs=3, ties="shuffled")
    assert found["sequencing.order.ties"] == "shuffled"


class FakeProject(Project):
    """A project that only records which pipelines run."""

    ran: list[str]

    def set_up(self, archive, parameters):
        self.ran.append("set up")

    def run(self, pipelines, parameters):
        self.ran.append(pipelines)

    def forget_training(self):
        self.ran.append("forget")

    def parameters(self, given):
        return {"training": parameters({"seed": given["training.seed"]})}


@pytest.fixture
def fakes(monkeypatch):
    """Replace pipelines by fakes, and return the list of those that ran."""
    FakeProject.ran = []
    monkeypatch.setattr(variants, "Project", FakeProject)
    monkeypatch.setattr(
        variants,
        "run_variant",
        lambda study, project, given, settings, path: {
            "seed": settings.seed,
            "epochs": 3,
            "settings": digest(settings),
            "given": dict(given),
            "path": str(path),
        },
    )
    return FakeProject.ran


def test_a_recorded_training_is_not_repeated(fakes, arguments):
    run_variants(STUDY, arguments)
    trained = read_records(arguments.results)[3:]
    assert [(one["variant"], one["seed"]) for one in trained] == [
        ("base", 1),
        ("wide", 1),
        ("base", 2),
        ("wide", 2),
    ]
    assert fakes == ["set up", "data", *["forget"] * 4]  # nothing was interrupted
    run_variants(STUDY, arguments)
    assert len(read_records(arguments.results)) == 7


def test_another_order_of_ties_is_trained_anew(fakes, arguments):
    run_variants(STUDY, arguments)
    arguments.ties = "shuffled"
    run_variants(STUDY, arguments)
    assert [one["ties"] for one in read_records(arguments.results)[3:]] == [
        *["file_order"] * 4,
        *["shuffled"] * 4,
    ]


def test_another_archive_is_trained_anew(fakes, arguments):
    run_variants(STUDY, arguments)
    arguments.archive.write_text("another one")
    run_variants(STUDY, arguments)
    archives = [one["archive"] for one in read_records(arguments.results)[3:]]
    assert len(archives) == 8
    assert len(set(archives)) == 2


def test_a_record_has_the_command_that_repeats_it(fakes, arguments):
    arguments.ties = "shuffled"
    run_variants(STUDY, arguments)
    assert read_records(arguments.results)[3]["command"] == (
        "python -m benchmarks.sizes run base --seeds 1 --epochs 3 --ties shuffled"
    )


@pytest.mark.parametrize(
    ("command", "complaint"),
    [("run huge", "unknown variant: huge"), ("compare base", "names of two variants")],
)
def test_a_wrong_command_names_what_is_allowed(command, complaint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sizes", *command.split()])
    with pytest.raises(SystemExit):
        read_arguments(STUDY, "")
    assert complaint in capsys.readouterr().err


def test_all_variants_run_by_default(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sizes", "run"])
    assert read_arguments(STUDY, "").variants == ["base", "wide"]


def test_given_parameters_replace_those_of_the_environment(tmp_path):
    archive = tmp_path / "archive.zip"
    archive.touch()
    project = Project(tmp_path / "work")
    own = Path(tmp_path, "work", "conf", "ml-1m")
    project.set_up(archive, None)
    assert (own / "parameters" / "presets" / "transformer.yml").exists()
    project.set_up(archive, {"training": {"epochs": 1}})
    assert not (own / "parameters").exists()
    assert (own / "parameters.yml").read_text() == "training:\n  epochs: 1\n"


def test_none_is_null_on_the_command_line(tmp_path):
    command = Project(tmp_path).command("training", {"training.mlp": None, "a": True})
    assert command[-1] == "training.mlp=null,a=True"


def test_results_are_named_after_the_study():
    assert replace(STUDY, name="other").results.name == "other.jsonl"


def changed(settings, **changes):
    merged = OmegaConf.merge(settings.model_dump(mode="json"), changes)
    return Training.model_validate(OmegaConf.to_container(merged))


def test_the_digest_ignores_options_of_kinds_not_chosen():
    base = training_of(transformer.STUDY, "base")
    unread = [
        {"history": {"multi_interest": {"max_items": 7}}},
        {"negatives": {"queue": {"size": 7}}},
        {"optimizer": {"adamw": {"weight_decay": 0.5}}},
    ]
    read = [
        {"history": {"transformer": {"n_blocks": 7}}},
        {"negatives": {"kind": "in_batch"}},
        {"optimizer": {"learning_rate": 0.5}},
        {"seed": base.seed + 1},
    ]
    assert {digest(changed(base, **one)) for one in unread} == {digest(base)}
    assert len({digest(base), *(digest(changed(base, **one)) for one in read)}) == 5
