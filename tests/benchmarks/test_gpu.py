import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import keras
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import gpu, shards
from benchmarks.project import ROOT
from tests.project import Project, environment
from tests.training import tiny
from tests.training.fit_tiny import walks

N_HELD_OUT = 40
NEW = {
    "precision": "mixed_bfloat16",
    "tokens-per-batch": 96,
    "logits-chunk": 16,
    "epochs": 3,
}


def settings(**changes):
    """Return small parameters of the transformer."""
    learns = {
        "epochs": 2,
        "optimizer": {"learning_rate": 0.02},
        "validation": {"cutoffs": [1, 10], "monitor": "ndcg@10"},
    }
    return tiny.parameters(learns, changes, preset="transformer")


def held_out(histories):
    """Return validation and test examples: the second last item, and the last."""
    return {
        "validation_examples": tiny.validation_examples(
            [one[:-1] for one in histories]
        ),
        "test_examples": tiny.validation_examples(histories),
    }


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Return a folder like one of `pack`, of walks on a circle of items."""
    folder = tmp_path_factory.mktemp("packed")
    histories = walks(80, tiny.N_ITEMS, seed=5)
    tables = {
        name: table.to_pyarrow()
        for name, table in tiny.tables_of(
            histories=[one[:-2] for one in histories]
        ).items()
    }
    tables |= held_out(histories[:N_HELD_OUT])
    for name, table in tables.items():
        (folder / name).mkdir()
        # The later rows are in the first file: files are not in order of the rows.
        half = table.num_rows // 2
        pq.write_table(table.slice(half), folder / name / "00000.parquet")
        pq.write_table(table.slice(0, half), folder / name / "00001.parquet")
    documents = {
        "feature_schema": tiny.FEATURE_SCHEMA,
        "feature_information": tiny.FEATURE_INFORMATION,
        "training": settings().model_dump(mode="json"),
    }
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def train(folder, backend, *options):
    """Return the output of the command with only the allowed packages."""
    bare = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT / "src"),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-m", "tests.benchmarks.bare", "train", str(folder), *options],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tensorflow_trains_on_a_bare_machine(packed):
    found = json.loads(train(packed, "tensorflow", "--json"))
    assert found["back end"].startswith("tensorflow")
    assert found["precision"] == "float32"
    assert found["request time"] == "no"
    assert found["device"].startswith("CPU")
    assert found["peak device memory, MiB"] is None
    # By chance one in four would be among the best 10 of 40 items.
    assert found["test hr@10"] > 0.5
    assert found["validation hr@10"] > 0.5
    assert 0 <= found["share of padding"] < 1
    assert 0 < found["share of an epoch"] < 1


def test_jax_trains_on_a_bare_machine_with_options(packed):
    options = [f"--{name}={value}" for name, value in NEW.items()]
    written = train(packed, "jax", *options)
    rows = dict(line.strip("| ").split(" | ", 1) for line in written.splitlines()[2:])
    assert rows["back end"].startswith("jax")
    assert rows["precision"] == "mixed_bfloat16"
    assert rows["tokens per batch"] == "96"
    assert rows["logits chunk"] == "16"
    assert rows["epochs"] == "3"
    assert float(rows["test hr@10"]) > 0.5


@pytest.mark.parametrize(
    "parameters",
    [
        settings(),
        settings(history={"transformer": {"time_gap": True}}),
        settings(item_tower={"hashes": {"genres": [{"buckets": 5, "dimension": 16}]}}),
        tiny.parameters(preset="multi-interest"),
    ],
)
def test_a_folder_keeps_the_parameters(parameters, tmp_path):
    write_parameters(tmp_path, parameters)
    assert shards.read_parameters(tmp_path) == parameters


def write_parameters(folder, parameters):
    (folder / "training.json").write_text(parameters.model_dump_json())


def test_a_folder_without_a_table_is_refused(packed, tmp_path):
    copy = shutil.copytree(packed, tmp_path / "copy")
    shutil.rmtree(copy / "test_examples")
    with pytest.raises(FileNotFoundError, match="has no test_examples; "):
        shards.read_tables(copy)


def test_shards_are_sorted_by_columns(tmp_path):
    rows = pa.table(
        {"user": [3, 2, 2], "window": [0, 1, 0], "items": [[7], [8, 9], []]}
    )
    pq.write_table(rows, tmp_path / "00000.parquet")
    found = shards.Shards(tmp_path).order_by("user", "window").select("user", "items")
    assert found.order_by("user").to_pyarrow()["user"].to_pylist() == [2, 2, 3]
    everything = shards.Shards(tmp_path).order_by("user", "window").to_pyarrow()
    assert everything["items"].to_pylist() == [[], [8, 9], [7]]


def read_parameters(folder, monkeypatch, *options):
    """Return the parameters of a folder with options of the command line."""
    monkeypatch.setattr(sys, "argv", ["gpu", "train", str(folder), *options])
    return gpu.read_parameters(gpu.read_arguments())


def test_validation_gets_the_tokens_of_training(packed, monkeypatch):
    given = settings()
    assert given.batches.tokens_per_batch == given.validation.tokens_per_batch == 64
    found = read_parameters(packed, monkeypatch, "--tokens-per-batch", "96")
    assert found.batches.tokens_per_batch == found.validation.tokens_per_batch == 96
    assert found.batches.logits_chunk == given.batches.logits_chunk


def test_without_options_only_the_back_end_changes(packed, monkeypatch):
    found = read_parameters(packed, monkeypatch)
    assert found == settings(backend=keras.backend.backend())


def test_a_batch_that_the_queue_does_not_hold_is_refused(tmp_path, monkeypatch):
    # 64 tokens in rows of 4 have 16 · 5 queries, 80, and 128 tokens 160: whole chunks.
    write_parameters(tmp_path, settings(negatives={"kind": "queue"}))
    read_parameters(tmp_path, monkeypatch, "--tokens-per-batch", "128")
    options = ["--tokens-per-batch", "128", "--logits-chunk", "256"]
    with pytest.raises(ValueError, match="a batch of up to 256 queries"):
        read_parameters(tmp_path, monkeypatch, *options)


def test_batches_of_pairs_have_no_tokens(tmp_path, monkeypatch):
    write_parameters(tmp_path, tiny.parameters(preset="multi-interest"))
    with pytest.raises(ValueError, match="trains batches of batches"):
        read_parameters(tmp_path, monkeypatch, "--tokens-per-batch", "64")


@pytest.mark.parametrize(
    ("option", "parameter"),
    [
        ("epochs", "epochs"),
        ("tokens-per-batch", "batches.tokens_per_batch"),
        ("logits-chunk", "batches.logits_chunk"),
        ("steps-per-execution", "steps_per_execution"),
    ],
)
def test_options_are_checked_like_parameters(option, parameter, packed, monkeypatch):
    with pytest.raises(
        ValueError, match=rf"{parameter}\n.* greater than or equal to 1"
    ):
        read_parameters(packed, monkeypatch, f"--{option}", "0")


def test_a_batch_that_holds_no_row_is_refused(packed, monkeypatch):
    with pytest.raises(ValueError, match="tokens_per_batch is 7, less than the last"):
        read_parameters(packed, monkeypatch, "--tokens-per-batch", "7")


def test_the_first_epoch_also_compiles():
    found = gpu.speed([9.0, 2.0, 3.0, 2.0], 100)
    assert found["seconds per epoch"] == 2.0
    assert found["seconds of compilation"] == 7.0
    assert found["seconds of training"] == 16.0
    assert found["positives per second"] == 50.0
    assert gpu.speed([9.0], 100)["seconds of compilation"] is None


def test_the_kept_epoch_is_the_best_validated_one():
    history = [
        {"epoch": 1, "loss": 3.0, "val_hr@10": 0.2, "val_ndcg@10": 0.1, "val_mrr": 0.1},
        {"epoch": 2, "loss": 2.0},
        {"epoch": 3, "loss": 1.0, "val_hr@10": 0.3, "val_ndcg@10": 0.05},
    ]
    assert gpu.best_metrics(history, "ndcg@10") == {
        "loss of the last epoch": 1.0,
        "epoch kept": 1,
        "validation hr@10": 0.2,
        "validation ndcg@10": 0.1,
    }


def test_without_validation_the_last_epoch_is_kept():
    history = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}]
    assert gpu.best_metrics(history, "ndcg@10") == {
        "loss of the last epoch": 2.0,
        "epoch kept": 2,
    }


def test_all_test_users_are_ranked(monkeypatch):
    @dataclass(frozen=True)
    class Ranking:
        examples: list

        def evaluate(self, towers, items):
            return {"val_hr@10": len(self.examples), "val_mrr": 0.5}

    monkeypatch.setattr(
        "two_tower.towers.encode.encode_items", lambda towers, ids: None
    )
    towers = SimpleNamespace(item_tower=SimpleNamespace(n_entities=3))
    found = gpu.test_metrics(Ranking(examples=[1]), [1, 2, 3], towers)
    assert found == {"test hr@10": 3}


def test_pack_writes_the_output_of_the_data_pipeline(tmp_path):
    project = Project.create(tmp_path / "project")
    shutil.copytree(ROOT / "benchmarks", project.folder / "benchmarks")
    project.run("--pipelines", "simulation")
    project.run("--pipelines", "data")
    folder = tmp_path / "packed"
    done = subprocess.run(  # noqa: S603 - this very Python
        [
            *[sys.executable, "-m", "benchmarks.gpu", "pack", str(folder)],
            *["--env", "test", "--params", "preset=mean", "training.epochs=7"],
        ],
        cwd=project.folder,
        env=environment() | {"PYTHONPATH": str(project.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parameters = shards.read_parameters(folder)
    assert (parameters.history.kind, parameters.epochs) == ("mean", 7)
    schema = shards.read_documents(folder)["feature_schema"]
    tables = shards.read_tables(folder)
    n_items = tables["item_features"].to_pyarrow().num_rows
    assert schema["n_items"] == n_items + 2
    assert tables["train_sequences"].to_pyarrow().num_rows > 0
