"""Histories with a table of their own, from the parameters to training that goes on."""

import numpy as np
import pytest
from pydantic import ValidationError

from tests.training.tiny import (
    N_ITEMS,
    model_inputs,
    parameters,
    train,
)
from two_tower.towers.encode import encode_items
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.model import build_towers
from two_tower.training.warm_start import warm_towers

SEPARATE = {
    "history_items": "separate",
    "history_item_tower": {"features": {"year": False, "length": False}},
    "item_tower": {"use_features": False},
}


def towers_of(*changes, **tables):
    asked = parameters(*changes)
    return build_towers(asked, model_inputs(asked, **tables))


def test_histories_share_the_candidates_tower_unless_asked():
    towers = towers_of({"history_item_tower": {"use_id": False}})
    assert towers.history_item_tower is None


def test_each_tower_has_the_content_that_it_was_given():
    towers = towers_of(SEPARATE, unknown_items=[5])
    assert list(towers.item_tower.features) == []
    own = towers.history_item_tower
    assert list(own.features) == ["genres"]
    assert np.asarray(own.features["genres"].values).any()
    assert np.asarray(own.id_rows)[[5, 6]].tolist() == [1, 6]


def test_a_separate_table_is_initialised_with_its_own_seed():
    towers = towers_of(SEPARATE)
    tables = [np.asarray(t.table) for t in (towers.item_tower, towers.embeds_histories)]
    assert abs(np.corrcoef(tables[0].ravel(), tables[1].ravel())[0, 1]) < 0.15


@pytest.mark.backend
@pytest.mark.parametrize("negatives", ["catalogue", "in_batch"])
def test_both_tables_are_trained_and_retrained(negatives, tmp_path):
    asked = parameters(SEPARATE, {"negatives": {"kind": negatives}, "epochs": 4})
    store = CheckpointStore(tmp_path / "checkpoints")
    towers, history = train(tmp_path, asked, store=store, unknown_items=[5])
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    inputs = model_inputs(asked)
    grown = warm_towers(build_towers(asked, inputs), inputs, towers)
    ids = np.arange(2, N_ITEMS, dtype=np.int32)
    found, before = encode_items(grown, ids), encode_items(towers, ids)
    np.testing.assert_allclose(found, before, rtol=1e-5)
    assert np.asarray(grown.history_item_tower.id_rows)[5] == 5


def test_towers_that_shared_one_table_do_not_go_on_with_two():
    asked = parameters(SEPARATE, {"item_tower": {"use_features": True}})
    inputs = model_inputs(asked)
    tied = towers_of()
    with pytest.raises(ValueError, match="history_item_tower"):
        warm_towers(build_towers(asked, inputs), inputs, tied)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"history": {"kind": "none"}, "profile": {"use": True}},
            "set history_items to tied",
        ),
        (
            {"history_item_tower": {"embedding": 3}},
            r"history_item_tower\.embedding is 3",
        ),
        (
            {"history_item_tower": {"use_id": False, "use_features": False}},
            "use_id and use_features are both false",
        ),
    ],
)
def test_what_no_history_could_read_is_refused(changes, message):
    with pytest.raises(ValidationError, match=f"(?i){message}"):
        parameters(SEPARATE, changes)
