"""The refit on forty items of a circle, each leading to the next."""

import numpy as np
import pytest

from tests.training.tiny import (
    FEATURE_INFORMATION,
    FEATURE_SCHEMA,
    lineage_in,
    parameters,
    tables_of,
    train,
)
from two_tower.lineage.records import Record
from two_tower.pipelines.training.nodes import REFIT_INPUTS, refit_two_tower
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.params import Refit

EPOCHS = 4
HISTORY = [{"epoch": n, "kept": n == 2} for n in range(1, EPOCHS + 1)]


def refit(
    folder,
    start="scratch",
    *,
    model=None,
    kind="leave_one_out",
    ancestors=(),
    changes=None,
):
    folder.mkdir()
    lineage = lineage_in(folder)
    for name in REFIT_INPUTS:
        origins = dict.fromkeys(ancestors, "f")
        made = Record(f"print of {name}", "n", "r", {}, {}, origins, "kedro run", None)
        lineage.write(name, made)
    return refit_two_tower(
        refit=Refit(start=start),
        split_report={"kind": kind},
        training_history=HISTORY,
        two_tower_model=model,
        feature_schema=FEATURE_SCHEMA,
        feature_information=FEATURE_INFORMATION,
        training_checkpoints=CheckpointStore(folder / "checkpoints"),
        lineage=lineage,
        parameters=parameters({"epochs": EPOCHS}, changes or {}),
        **tables_of(),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    store = CheckpointStore(folder / "checkpoints")
    return train(folder, parameters({"epochs": EPOCHS}), store=store)


def test_a_refit_from_scratch_has_the_epochs_and_rates_of_the_evaluated_model(
    trained, tmp_path
):
    towers, evaluated = trained
    _, history = refit(tmp_path / "refit", model=towers)
    # On the same data, these are the first epochs of the evaluated model.
    for name in ("epoch", "loss", "learning_rate"):
        found = [record[name] for record in history]
        np.testing.assert_allclose(found, [record[name] for record in evaluated[:2]])
    assert [record["kept"] for record in history] == [False, True]


def test_a_warm_refit_resumes_from_the_evaluated_weights(trained, tmp_path):
    towers, evaluated = trained
    before = [np.array(weights) for weights in towers.get_weights()]
    _, history = refit(tmp_path / "refit", "warm", model=towers)
    assert history[0]["loss"] < (evaluated[0]["loss"] + evaluated[-1]["loss"]) / 2
    for old, new in zip(before, towers.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_of_everything_is_not_refitted(tmp_path):
    with pytest.raises(ValueError, match=r"kind is none.*nothing to refit"):
        refit(tmp_path / "refit", kind="none")


def test_a_retrained_model_is_refitted_from_its_weights_only(tmp_path):
    with pytest.raises(ValueError, match=r"add --params refit\.start=warm"):
        refit(tmp_path / "refit", ancestors=["deployed_query_tower"])


def test_a_refit_leaves_out_features_that_the_data_do_not_declare(tmp_path):
    hashes = {"mood": [{"buckets": 5, "dimension": 4}]}
    wish = {"optional_features": ["mood"], "item_tower": {"hashes": hashes}}
    towers, _ = refit(tmp_path / "a", changes=wish)
    assert list(towers.item_tower.features) == ["genres", "year", "length"]
