import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from benchmarks import gpu, shards
from benchmarks.project import ROOT
from tests.project import Project, environment
from tests.training import tiny
from tests.training.fit_tiny import walks

N_HELD_OUT = 40
NEW = {
    "precision": "mixed_bfloat16",
    "tokens_per_batch": 96,
    "logits_chunk": 16,
    "epochs": 3,
}


def settings(**changes):
    """Return small parameters of the transformer, those of training's own."""
    learns = {
        "epochs": 2,
        "optimizer": {"learning_rate": 0.02},
        "validation": {
            "cutoffs": [1, 10],
            "tokens_per_batch": 64,
            "monitor": "ndcg@10",
        },
    }
    return tiny.parameters(learns, changes, preset="transformer")


def held_out(histories):
    """Return validation and test examples: the last item but one, and the last."""
    return {
        "validation_examples": tiny.validation_examples(
            [one[:-1] for one in histories]
        ),
        "test_examples": tiny.validation_examples(histories),
    }


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Return a folder as `pack` writes it, of walks on a circle of items."""
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
        # In two files, the later rows first: the order is not that of the files.
        half = table.num_rows // 2
        pq.write_table(table.slice(half), folder / name / "00000.parquet")
        pq.write_table(table.slice(0, half), folder / name / "00001.parquet")
    documents = {
        "feature_schema": tiny.FEATURE_SCHEMA,
        "feature_information": tiny.FEATURE_INFORMATION,
        "training": shards.describe(settings()),
    }
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def train(folder, backend, *options):
    """Run the command where nothing else can be imported; return what it writes."""
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
    assert 0 < found["share of an epoch that this is"] < 1


def test_jax_trains_on_a_bare_machine_as_the_command_line_says(packed):
    asked = [f"--{name}={value}" for name, value in NEW.items()]
    written = train(packed, "jax", *asked)
    rows = dict(line.strip("| ").split(" | ", 1) for line in written.splitlines()[2:])
    assert rows["back end"].startswith("jax")
    assert rows["precision"] == "mixed_bfloat16"
    assert rows["tokens_per_batch of a batch"] == "96"
    assert rows["places in a chunk"] == "16"
    assert rows["epochs"] == "3"
    assert float(rows["test hr@10"]) > 0.5


def test_a_folder_has_the_parameters_that_were_given():
    kept = json.loads(json.dumps(shards.describe(settings())))
    restored = shards.restore(kept)
    assert restored.model_dump() == settings().model_dump()
    assert restored.history.transformer.n_blocks == 1


def test_parameters_say_of_themselves_what_they_did():
    changed = settings(
        histories={"transformer": {"time_gap": True}},
        item_tower={"mlp": {"hidden_units": 8, "batch_norm": False, "dropout": 0}},
    )
    restored = shards.restore(shards.describe(changed))
    assert restored.reads_events
    assert restored.item_tower.mlp.widths == [8]
    assert "widths" not in restored.item_tower.mlp.model_dump()


def test_mappings_of_groups_are_restored():
    tables = [{"buckets": 5, "dimension": 16}]
    restored = shards.restore(
        shards.describe(settings(item_tower={"hashes": {"genres": tables}}))
    )
    found = restored.item_tower.hashes
    assert {name: [t.model_dump() for t in one] for name, one in found.items()} == {
        "genres": tables
    }


def test_a_folder_without_a_table_is_refused(packed, tmp_path):
    copy = shutil.copytree(packed, tmp_path / "copy")
    shutil.rmtree(copy / "test_examples")
    with pytest.raises(FileNotFoundError, match="has no test_examples; "):
        shards.read_tables(copy)


def test_shards_are_read_in_the_order_asked_for(tmp_path):
    rows = pa.table(
        {"user": [3, 2, 2], "window": [0, 1, 0], "items": [[7], [8, 9], []]}
    )
    pq.write_table(rows, tmp_path / "00000.parquet")
    found = shards.Shards(tmp_path).order_by("user", "window").select("user", "items")
    assert found.order_by("user").to_pyarrow()["user"].to_pylist() == [2, 2, 3]
    everything = shards.Shards(tmp_path).order_by("user", "window").to_pyarrow()
    assert everything["items"].to_pylist() == [[], [8, 9], [7]]


def test_validation_has_as_many_slots_as_training():
    changed = settings()
    assert changed.batches.tokens_per_batch == changed.validation.tokens_per_batch == 64
    parameters = shards.restore(shards.describe(changed))
    gpu.set_batches(parameters, tokens_per_batch=96, chunk=None)
    assert (
        parameters.batches.tokens_per_batch,
        parameters.validation.tokens_per_batch,
    ) == (96, 96)
    assert parameters.batches.chunk == changed.batches.chunk


def test_a_batch_that_the_queue_does_not_hold_is_refused():
    # 64 tokens in rows of 4 have 16 · 5 places, 80, and 128 tokens 160: whole chunks.
    changed = settings(negatives="queue", masks={"hits": True}, log_q="none")
    parameters = shards.restore(shards.describe(changed))
    gpu.set_batches(parameters, tokens_per_batch=128, chunk=None)
    with pytest.raises(
        ValueError, match="256 places with --tokens_per_batch 128 and --chunk 256"
    ):
        gpu.set_batches(parameters, tokens_per_batch=None, chunk=256)


def test_batches_of_pairs_have_no_slots():
    parameters = shards.restore(shards.describe(tiny.parameters(preset="mean")))
    parameters.history = "none"
    with pytest.raises(ValueError, match="a batch is of batches"):
        gpu.set_batches(parameters, tokens_per_batch=64, chunk=None)


@pytest.mark.parametrize(
    "name", ["epochs", "tokens_per_batch", "chunk", "steps-per-execution"]
)
def test_what_counts_something_is_above_0(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu", "train", "folder", f"--{name}", "0"])
    with pytest.raises(SystemExit):
        gpu.read_arguments()
    assert f"--{name}: 0 is not above 0" in capsys.readouterr().err


def test_a_batch_that_holds_no_row_is_refused(packed, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["gpu", "train", str(packed), "--tokens_per_batch", "7"]
    )
    with pytest.raises(
        ValueError, match="--tokens_per_batch is 7, less than the widest"
    ):
        gpu.read_parameters(gpu.read_arguments())


def test_the_first_epoch_compiles_beside_training():
    found = gpu.speed([9.0, 2.0, 3.0, 2.0], 100)
    assert found["seconds per epoch"] == 2.0
    assert found["seconds of compilation"] == 7.0
    assert found["seconds of training"] == 16.0
    assert found["examples per second"] == 50.0
    assert gpu.speed([9.0], 100)["seconds of compilation"] is None


def test_the_epoch_that_was_kept_is_the_best_validated_one():
    history = [
        {"epoch": 1, "loss": 3.0, "val_hr@10": 0.2, "val_ndcg@10": 0.1, "val_mrr": 0.1},
        {"epoch": 2, "loss": 2.0},
        {"epoch": 3, "loss": 1.0, "val_hr@10": 0.3, "val_ndcg@10": 0.05},
    ]
    assert gpu.best_figures(history, "ndcg@10") == {
        "loss of the last epoch": 1.0,
        "epoch kept": 1,
        "validation hr@10": 0.2,
        "validation ndcg@10": 0.1,
    }


def test_without_validation_the_last_epoch_was_kept():
    history = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}]
    assert gpu.best_figures(history, "ndcg@10") == {
        "loss of the last epoch": 2.0,
        "epoch kept": 2,
    }


def test_all_test_users_are_asked(monkeypatch):
    @dataclass(frozen=True)
    class Ranking:
        examples: list

        def evaluate(self, towers, items):
            return {"val_hr@10": len(self.examples), "val_mrr": 0.5}

    monkeypatch.setattr(
        "two_tower.towers.encode.encode_items", lambda towers, ids: None
    )
    towers = SimpleNamespace(item_tower=SimpleNamespace(n_entities=3))
    found = gpu.test_figures(Ranking(examples=[1]), [1, 2, 3], towers)
    assert found == {"test hr@10": 3}


def test_pack_writes_what_the_data_pipeline_made(tmp_path):
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
    assert (parameters.history, parameters.epochs) == ("mean", 7)
    schema = shards.read_documents(folder)["feature_schema"]
    tables = shards.read_tables(folder)
    n_items = tables["item_features"].to_pyarrow().num_rows
    assert schema["n_items"] == n_items + 2
    assert tables["train_sequences"].to_pyarrow().num_rows > 0


def test_parameters_of_a_folder_are_those_of_configuration():
    common = tiny.training_in_conf()
    assert OmegaConf.to_container(OmegaConf.create(common)).keys() == set(
        shards.describe(settings())["fields"]
    )
