import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import variants
from benchmarks.project import Project
from benchmarks.variants import (
    Study,
    compare,
    digest,
    figure_columns,
    figures_of,
    parameters_of,
    ranks_file,
    read_arguments,
    read_records,
    run_variants,
    same_runs,
    table,
    training_seconds,
)
from tests.pipelines.training.tiny import parameters

STUDY = Study(
    name="sizes",
    preset="mean",
    variants={"base": {}, "wide": {"dimension": 128}},
    epochs=3,
    shown=["hr@10", "hr@50"],
    order="hr@50",
    columns={**figure_columns("test", ["hr@10"]), "training, s": training_seconds},
    notes=lambda settings, best: {"rate": settings.optimizer.learning_rate},
)


def keep(folder, settings, ranks, by_vector):
    """Keep the ranks of one positive for each of some users."""
    file = ranks_file(folder, settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, ranks=ranks, by_vector=by_vector, offsets=np.arange(len(ranks) + 1))
    return file


def record(variant, seed, settings, hits=0.5):
    figures = dict.fromkeys(("hr@10", "ndcg@10", "hr@50", "hr@200"), hits)
    return {
        "variant": variant,
        "seed": seed,
        "epochs": 3,
        "settings": settings,
        "validation": figures,
        "test": figures,
        "epoch_seconds": [10.0, 12.0],
    }


def test_vectors_share_as_many_candidates_as_one_vector_has(tmp_path):
    # Of 50 candidates each of two vectors has 25: ranks from 0 to 24 are among them.
    ranks, by_vector = [30, 20, 49], [[24, 25, 60], [90, 25, 60]]
    found = figures_of(keep(tmp_path, "one", ranks, by_vector))
    assert found["hr@50"].tolist() == [1, 1, 1]
    assert found["shared_hr@50"].tolist() == [1, 0, 0]


def test_one_vector_has_all_candidates_for_itself(tmp_path):
    found = figures_of(keep(tmp_path, "one", [9, 49, 50], [[9, 49, 50]]))
    for k in (10, 50, 200):
        np.testing.assert_array_equal(found[f"shared_hr@{k}"], found[f"hr@{k}"])


@pytest.fixture
def arguments(tmp_path):
    keep(tmp_path, "a", [5, 5], [[5, 5]])
    keep(tmp_path, "b", [5, 60], [[5, 60]])
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


def test_variants_are_compared_over_the_seeds_that_both_have(arguments):
    found = compare(STUDY, arguments)
    assert found["seeds"] == [1]
    assert found["differences"]["hr@50"]["mean"] == 0.5
    assert found["differences"]["hr@10"]["mean"] == 0.5


def test_without_a_common_seed_it_is_said_what_to_run(arguments):
    arguments.seeds = [2]
    with pytest.raises(ValueError, match="no ranks of base and wide after 3"):
        compare(STUDY, arguments)


def test_data_of_another_order_are_compared_among_themselves(arguments):
    arguments.ties = "shuffled"
    with pytest.raises(ValueError, match=f"in {arguments.work / 'shuffled'}; run both"):
        compare(STUDY, arguments)


def test_a_table_has_the_runs_of_its_epochs_and_order_alone(arguments):
    arguments.ties = "shuffled"
    own = record("base", 1, "a") | {"ties": "shuffled"}
    others = [own | {"epochs": 10}, own | {"ties": "file_order"}, record("base", 2, "")]
    assert same_runs([own, *others], arguments) == [own]


def test_the_table_has_a_row_per_variant_the_best_of_validation_first(arguments):
    records = [*read_records(arguments.results), record("best", 1, "d", hits=0.6)]
    rows = [line.strip("| ").split(" | ") for line in table(STUDY, records).split("\n")]
    assert [row[0] for row in rows[2:5]] == ["best", "base", "wide"]
    assert rows[0][2:] == ["test HR@10", "training, s"]
    assert rows[3][1:] == ["2", "0.5000", "22"]


def test_variants_change_the_preset_and_nothing_else():
    assert parameters_of(STUDY, "wide", 2, epochs=3) == {
        "preset": "mean",
        "training.seed": 2,
        "training.epochs": 3,
        "training.dimension": 128,
    }


def test_a_variant_may_be_of_another_preset():
    other = replace(STUDY, variants={"other": {"preset": "transformer", "seed": 3}})
    found = parameters_of(other, "other", 1, epochs=3)
    assert found["preset"] == "transformer"
    assert "training.preset" not in found


def test_another_order_of_ties_is_one_of_the_data():
    found = parameters_of(STUDY, "base", 1, epochs=3, ties="shuffled")
    assert found["sequencing.order.ties"] == "shuffled"


class FakeProject(Project):
    """A project whose pipelines only say that they ran."""

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
    """Let pipelines be faked, and return what of them ran."""
    FakeProject.ran = []
    monkeypatch.setattr(variants, "Project", FakeProject)
    monkeypatch.setattr(
        variants,
        "run_variant",
        lambda study, project, variant, asked, settings: (
            record(variant, settings.seed, digest(settings)) | {"asked": dict(asked)}
        ),
    )
    return FakeProject.ran


def test_what_has_a_line_already_is_not_trained_again(fakes, arguments):
    run_variants(STUDY, arguments)
    trained = read_records(arguments.results)[3:]
    assert [(one["variant"], one["seed"]) for one in trained] == [
        ("base", 1),
        ("wide", 1),
        ("base", 2),
        ("wide", 2),
    ]
    assert fakes == ["set up", "data"]  # nothing that was cut short is forgotten
    run_variants(STUDY, arguments)
    assert len(read_records(arguments.results)) == 7


def test_data_of_another_order_are_trained_on_anew(fakes, arguments):
    run_variants(STUDY, arguments)
    arguments.ties = "shuffled"
    run_variants(STUDY, arguments)
    assert [one["ties"] for one in read_records(arguments.results)[3:]] == [
        *["file_order"] * 4,
        *["shuffled"] * 4,
    ]


def test_another_archive_is_trained_on_anew(fakes, arguments):
    run_variants(STUDY, arguments)
    arguments.archive.write_text("another one")
    run_variants(STUDY, arguments)
    archives = [one["archive"] for one in read_records(arguments.results)[3:]]
    assert len(archives) == 8
    assert len(set(archives)) == 2


def test_a_record_says_how_to_make_it_again(fakes, arguments):
    arguments.ties = "shuffled"
    run_variants(STUDY, arguments)
    assert read_records(arguments.results)[3]["command"] == (
        "python -m benchmarks.sizes run base --seeds 1 --epochs 3 --ties shuffled"
    )


@pytest.mark.parametrize(
    ("command", "complaint"),
    [("run huge", "no such variant: huge"), ("compare base", "names of two variants")],
)
def test_a_wrong_command_says_what_is_right(command, complaint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sizes", *command.split()])
    with pytest.raises(SystemExit):
        read_arguments(STUDY, "")
    assert complaint in capsys.readouterr().err


def test_without_names_all_variants_are_meant(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sizes", "run"])
    assert read_arguments(STUDY, "").variants == ["base", "wide"]


def test_the_environment_keeps_its_parameters_unless_others_are_given(tmp_path):
    archive = tmp_path / "archive.zip"
    archive.touch()
    project = Project(tmp_path / "work")
    own = Path(tmp_path, "work", "conf", "ml-1m", "parameters.yml")
    project.set_up(archive, None)
    kept = own.read_text()
    project.set_up(archive, {"training": {"epochs": 1}})
    assert "slots" in kept
    assert own.read_text() == "training:\n  epochs: 1\n"


def test_nothing_is_written_as_the_command_line_reads_it(tmp_path):
    command = Project(tmp_path).command("training", {"training.mlp": None, "a": True})
    assert command[-1] == "training.mlp=null,a=True"


def test_results_are_named_after_the_study():
    assert replace(STUDY, name="other").results.name == "other.jsonl"
