"""The two-tower model that parameters describe."""

import numpy as np
import pytest

from tests.training.tiny import N_ITEMS, N_USERS, model_inputs, parameters
from two_tower.towers.mean import MeanUserTower
from two_tower.towers.transformer.tower import TransformerUserTower
from two_tower.training.model import build_towers

PROFILE = {"history": {"kind": "none"}, "profile": {"use": True}}
LAYERS = {"hidden_units": 12, "batch_norm": True, "dropout": 0.1}


def towers_of(*changes, preset="mean", **inputs):
    asked = parameters(*changes, preset=preset)
    return build_towers(asked, model_inputs(asked, **inputs))


def test_the_mean_has_the_layers_that_were_asked_for():
    change = {"history": {"mean": {"hidden_units": [12, 9], "dropout": 0.3}}}
    encoder = towers_of(change).history_encoder
    assert isinstance(encoder, MeanUserTower)
    assert (encoder.hidden_units, encoder.dropout) == ([12, 9], 0.3)
    assert (encoder.dimension, encoder.max_length) == (16, 8)


def test_the_transformer_has_the_blocks_that_were_asked_for():
    change = {"n_blocks": 2, "n_heads": 4, "dropout": {"attention": 0.3}}
    asked = parameters({"history": {"transformer": change}}, preset="transformer")
    encoder = build_towers(asked, model_inputs(asked)).history_encoder
    assert isinstance(encoder, TransformerUserTower)
    assert (len(encoder.blocks), encoder.max_length) == (2, 8)
    wanted = asked.history.transformer.model_dump()
    assert encoder.options.model_dump() == wanted


def test_the_item_tower_is_as_asked():
    asked = {"id_dropout": 0.2, "scale": 0.5, "l2": 0.1, "features": {"year": False}}
    tower = towers_of({"item_tower": asked}).item_tower
    assert (tower.id_dropout, tower.use_id, tower.n_entities) == (0.2, True, N_ITEMS)
    assert (tower.embedding, tower.combine, tower.l2) == (16, "sum", 0.1)
    assert list(tower.features) == ["genres", "length"]
    assert np.std(np.asarray(tower.table.value)) == pytest.approx(0.5, rel=0.15)


# covers: L8 L9 L10 L11 L12
def test_towers_of_profiles_have_the_layers_that_were_asked_for():
    entity = {"embedding": 4, "combine": "concat", "mlp": LAYERS}
    scoring = {"normalise": False}
    changes = {"profile": entity, "item_tower": entity, "scoring": scoring}
    towers = towers_of(PROFILE, changes)
    assert towers.history_encoder is None
    assert not towers.normalise
    for tower in (towers.item_tower, towers.profile):
        assert tower.mlp.hidden_units == [12]
        assert (tower.mlp.batch_norm, tower.mlp.dropout) == (True, 0.1)
        assert (tower.embedding, tower.dimension) == (4, 16)
    assert towers.profile.n_entities == N_USERS
    assert list(towers.profile.features) == ["gender"]


def test_a_history_and_a_profile_are_fused():
    towers = towers_of({"profile": {"use": True}, "fusion": {"hidden_units": [7]}})
    assert towers.fusion.hidden_units == [7]
    assert towers.history_encoder is not None
    assert towers.profile is not None


# covers: X11
def test_items_and_users_without_training_have_no_id_of_their_own():
    towers = towers_of({"profile": {"use": True}}, unknown_items=[5], unknown_users=[9])
    rows = np.asarray(towers.item_tower.id_rows), np.asarray(towers.profile.id_rows)
    assert (rows[0][5], rows[0][6]) == (1, 6)
    assert (rows[1][9], rows[1][10]) == (1, 10)


def test_the_seed_starts_each_part_elsewhere():
    towers = towers_of({"profile": {"use": True}})
    tables = towers.item_tower.table, towers.profile.table
    rows = [np.asarray(table)[:5] for table in tables]
    assert not np.allclose(*rows)
