import json

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import shards, steps
from tests.training import tiny
from tests.training.fit_tiny import walks


def parameters_of(preset, **changes):
    """Return small parameters of a preset."""
    learns = {"epochs": 2, "validation": {"cutoffs": [10], "monitor": "ndcg@10"}}
    return tiny.parameters(learns, changes, preset=preset)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Return a folder like one of `benchmarks.gpu pack`."""
    folder = tmp_path_factory.mktemp("packed")
    histories = walks(60, tiny.N_ITEMS, seed=5)
    tables = {
        name: table.to_pyarrow()
        for name, table in tiny.tables_of(
            histories=[one[:-1] for one in histories]
        ).items()
    }
    tables["validation_examples"] = tiny.validation_examples(histories)
    tables["test_examples"] = tables["validation_examples"]
    for name, table in tables.items():
        (folder / name).mkdir()
        pq.write_table(table, folder / name / "00000.parquet")
    documents = {
        "feature_schema": tiny.FEATURE_SCHEMA,
        "feature_information": tiny.FEATURE_INFORMATION,
        "training": parameters_of("transformer").model_dump(mode="json"),
    }
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.backend
def test_all_parts_of_a_step_are_measured(packed, monkeypatch):
    monkeypatch.setattr(steps, "SIZE", 64)
    parameters = shards.read_parameters(packed, {"backend": keras.backend.backend()})
    found = steps.measure(packed, parameters, until=0.0)
    assert found["seconds per epoch"] > 0
    assert 0 < found["share of padding"] < 1
    assert 0 < found["operations of the softmax head, share"] < 1
    assert found["seconds of training to validation HR@10 0.0"] > 0
    assert found["request time"] == "no"
    assert found["batches per second, made alone"] > 0


def test_a_chunk_may_hold_more_than_a_batch():
    parameters = parameters_of(
        "transformer", batches={"tokens_per_batch": 8, "logits_chunk": 32}
    )
    assert steps.seconds_of_head(parameters, n_candidates=40) > 0


def test_a_preset_without_a_history_is_refused(packed):
    changes = {"history.kind": "none", "profile.use": True}
    parameters = shards.read_parameters(packed, changes)
    with pytest.raises(ValueError, match="batches have no tokens to measure"):
        steps.measure(packed, parameters, until=None)


def test_operations_are_those_of_dense_layers_and_attention():
    class Weight:
        name, shape = "kernel", (4, 12)

    class Table:
        name, shape = "positions", (100, 4)

    class Block:
        class attention:
            n_heads, width = 2, 2

    class Towers:
        class history_encoder:
            trainable_weights = (Weight, Table)
            blocks = (Block,)

    # Two rows of five tokens, each with 48 multiplications and as many additions;
    # logits and sums of 4 numbers with each of 5 tokens; forwards, twice backwards.
    dense, attention = 10 * 48 * 2, 2 * (10 * 5 * 4 * 2)
    assert steps.body_operations(Towers, 2, 5) == 3 * (dense + attention)


def test_a_target_is_reached_in_the_first_epoch_at_or_above_it():
    history = [
        {"seconds": 2.0, "val_hr@10": 0.1},
        {"seconds": 3.0},  # not validated
        {"seconds": 4.0, "val_hr@10": 0.3},
        {"seconds": 5.0, "val_hr@10": 0.4},
    ]
    assert steps.seconds_until(history, 0.3) == 9
    assert steps.seconds_until(history, 0.1) == 2
    assert steps.seconds_until(history, 0.5) is None
    assert np.isclose(steps.product(2, 3, 5), 60)
