"""Training that goes on from deployed towers."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.training.tiny import (
    FEATURE_INFORMATION,
    FEATURE_SCHEMA,
    N_ITEMS,
    lineage_in,
    model_inputs,
    parameters,
    tables_of,
    train,
)
from two_tower.datasets.keras_model import KerasModelDataset
from two_tower.params import Seen
from two_tower.pipelines.training.nodes import train_two_tower
from two_tower.towers.encode import encode_items
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.model import build_towers
from two_tower.training.warm_start import _may_differ, warm_towers

UNKNOWN = [5, 6]
PROFILE = {"profile": {"use": True}}
INTERESTS = {
    "history": {"kind": "multi_interest"},
    "objective": {"kind": "interest_softmax"},
    "negatives": {"kind": "queue"},
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """Towers that know all items but two, saved and loaded."""
    folder = tmp_path_factory.mktemp("deployed")
    store = CheckpointStore(folder / "checkpoints")
    asked = parameters({"epochs": 6}, PROFILE)
    towers, history = train(folder, asked, store=store, unknown_items=UNKNOWN)
    dataset = KerasModelDataset(filepath=str(folder / "towers.keras"))
    dataset.save(towers)
    return dataset.load(), history


def retrain(folder, towers, *changes):
    return train_two_tower(
        **tables_of(),
        feature_schema=FEATURE_SCHEMA,
        feature_information=FEATURE_INFORMATION,
        leakage_audit={"passed": True, "checks": []},
        training_checkpoints=CheckpointStore(folder / "checkpoints"),
        lineage=lineage_in(folder),
        deployed_query_tower=SimpleNamespace(towers=towers),
        parameters=parameters(PROFILE, *changes),
        seen=Seen("left_out"),
    )


def test_towers_of_interests_go_on_reading_as_many_items():
    few = {"history": {"multi_interest": {"max_items": 4}}}
    asked = parameters(INTERESTS, few)
    inputs = model_inputs(asked)
    assert inputs.longest_window > 4
    deployed = build_towers(asked, inputs)
    grown = warm_towers(build_towers(asked, inputs), inputs, deployed)
    assert grown.max_length == 4


# covers: L28
@pytest.mark.backend
def test_retraining_goes_on_where_training_ended(deployed, tmp_path):
    towers, before = deployed
    _, after = retrain(tmp_path, towers, {"epochs": 1})
    assert after[0]["loss"] < 0.7 * before[0]["loss"]


# covers: L28
def test_retraining_learns_the_items_that_are_new(deployed, tmp_path):
    towers, _ = deployed
    grown, _ = retrain(tmp_path, towers, {"epochs": 1})
    rows = np.asarray(grown.item_tower.id_rows)[2:]
    assert rows.tolist() == list(range(2, N_ITEMS))
    ids = np.int32(UNKNOWN)
    assert np.abs(encode_items(grown, ids) - encode_items(towers, ids)).max() > 0.05


def warm(deployed, *changes, **tables):
    asked = parameters(PROFILE, *changes)
    inputs = model_inputs(asked, **tables)
    return warm_towers(build_towers(asked, inputs), inputs, deployed)


# covers: L28
def test_before_it_goes_on_every_item_has_the_vector_it_had(deployed):
    towers, _ = deployed
    grown = warm(towers, unknown_items=UNKNOWN)
    ids = np.arange(2, N_ITEMS, dtype=np.int32)
    found, before = encode_items(grown, ids), encode_items(towers, ids)
    np.testing.assert_allclose(found, before, rtol=1e-6)


def test_an_item_that_the_data_no_longer_have_stays_trained(deployed):
    grown = warm(deployed[0], unknown_items=[7])
    assert np.asarray(grown.item_tower.id_rows)[7] == 7


@pytest.mark.parametrize("length", [3, 8])
def test_histories_are_read_up_to_the_longest_so_far(length):
    history = list(range(2, 3 + length))
    asked = parameters(PROFILE, {"history": {"kind": "transformer"}})
    short, inputs = (
        model_inputs(asked, histories=histories)
        for histories in ([[2, 3, 4, 5, 6]], [history])
    )
    towers = build_towers(asked, short)
    grown = warm_towers(build_towers(asked, inputs), inputs, towers)
    assert (towers.max_length, grown.max_length) == (4, max(length, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"history": {"kind": "transformer"}}, "history_encoder"),
        (
            {"item_tower": {"id_dropout": 0.1}},
            r"id_dropout is 0\.0 there and 0\.1 here",
        ),
        ({"profile": {"use": False}}, "profile"),
        ({"scoring": {"normalise": False}}, "normalise is True there and False here"),
    ],
)
def test_towers_of_another_make_are_refused(deployed, change, message):
    with pytest.raises(ValueError, match=message):
        warm(deployed[0], change)


def test_features_are_compared_whatever_they_are_called():
    of = ("item_tower", "config", "features")
    assert not _may_differ((*of, "size", "kind"))
    assert not _may_differ((*of, "build_config", "kind"))
    assert _may_differ((*of, "year", "size"))
    assert _may_differ(("item_tower", "build_config", "input_shape"))
