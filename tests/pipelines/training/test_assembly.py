import numpy as np
import pytest

from tests.fitting.tiny import cut, walks
from tests.pipelines.training.tiny import N_ITEMS, parameters
from two_tower.fitting.objectives import full_softmax, in_batch_softmax
from two_tower.pipelines.training import assembly
from two_tower.ragged import Ragged
from two_tower.towers.mean import MeanUserTower
from two_tower.towers.transformer import TransformerUserTower

IN_BATCH = {"objective": "in_batch_softmax"}


def towers_of(*changes, preset="mean"):
    return assembly.assemble_towers(
        parameters(*changes, preset=preset),
        n_items=N_ITEMS,
        features={},
        values={},
        max_length=7,
    )


def test_the_mean_tower_has_the_layers_that_were_asked_for():
    change = {"towers": {"mean": {"hidden_units": [12, 9], "dropout": 0.3}}}
    tower = towers_of(change).history_encoder
    assert isinstance(tower, MeanUserTower)
    assert (tower.hidden_units, tower.dropout, tower.dimension) == ([12, 9], 0.3, 16)
    assert tower.max_length == 7


def test_the_transformer_has_the_blocks_that_were_asked_for():
    change = {"towers": {"transformer": {"n_blocks": 2, "n_heads": 4, "dropout": 0.3}}}
    tower = towers_of(change, preset="transformer").history_encoder
    assert isinstance(tower, TransformerUserTower)
    assert (tower.n_blocks, tower.n_heads, tower.max_length) == (2, 4, 7)
    assert tower.dropout == 0.3


def test_the_item_tower_is_as_asked():
    tower = towers_of({"item_tower": {"id_dropout": 0.2, "scale": 0.5}}).item_tower
    assert (tower.id_dropout, tower.use_id, tower.n_entities) == (0.2, True, N_ITEMS)
    assert np.std(np.asarray(tower.table.value)) == pytest.approx(0.5, rel=0.15)


def test_a_window_wider_than_every_bucket_is_refused():
    sequences = cut([list(range(2, 15))], 12)
    with pytest.raises(ValueError, match=r"has 12 items, .*\[4, 8\]; add a bucket"):
        assembly.assemble_feed(parameters(), sequences)


def test_the_feed_is_as_asked():
    feed = assembly.assemble_feed(parameters({"seed": 7}), cut(walks(20), 8))
    assert (feed.edges, feed.slots, feed.chunk, feed.seed) == ([4, 8], 64, 32, 7)


@pytest.mark.parametrize(("longest", "edges"), [(2, [2]), (4, [4]), (7, [4, 7])])
def test_the_last_bucket_is_as_wide_as_the_longest_window(longest, edges):
    histories = [[2, 3], list(range(2, 3 + longest))]
    feed = assembly.assemble_feed(parameters(), cut(histories, 8))
    assert feed.edges == edges


def test_without_held_out_users_there_is_no_validation():
    nobody = Ragged.from_lists([])
    assert assembly.assemble_validation(parameters(), nobody, nobody, edges=[4]) is None


def test_full_softmax_is_the_default():
    objective = assembly.assemble_objective(parameters(), np.ones(N_ITEMS, np.int64))
    assert objective.func is full_softmax
    assert objective.keywords == {"temperature": 0.05, "chunk": 32}


# covers: L18
def test_in_batch_softmax_knows_how_often_each_item_is_drawn():
    counts = np.array([0, 0, 30, 10])
    objective = assembly.assemble_objective(parameters(IN_BATCH), counts)
    assert objective.func is in_batch_softmax
    shares = np.exp(objective.keywords["log_shares"])
    np.testing.assert_allclose(shares, [1e-8, 1e-8, 0.75, 0.25], rtol=1e-5)
    assert objective.keywords["mask_hits"]


# covers: L18 L20
def test_the_corrections_of_in_batch_softmax_can_be_switched_off():
    off = {"objectives": {"in_batch_softmax": {"log_q": False, "mask_hits": False}}}
    objective = assembly.assemble_objective(parameters(IN_BATCH, off), np.array([9, 1]))
    assert not objective.keywords["log_shares"].any()
    assert not objective.keywords["mask_hits"]


def rates(*changes, total_steps=100):
    optimizer = assembly.assemble_optimizer(
        parameters(*changes), total_steps=total_steps
    )
    schedule = optimizer.get_config()["learning_rate"]
    if isinstance(schedule, float):
        return [schedule] * (total_steps + 1)
    return [float(optimizer._learning_rate(s)) for s in range(total_steps + 1)]  # noqa: SLF001


# covers: A51 L14
def test_a_constant_rate_stays():
    assert rates({"schedule": {"kind": "constant"}}) == pytest.approx([0.02] * 101)


# covers: A51 L14
def test_the_rate_peaks_after_the_warm_up_and_ends_at_its_share():
    found = rates({"schedule": {"warmup_steps": 10, "final_share": 0.1}})
    assert np.argmax(found) == 10
    assert found[10] == pytest.approx(0.02)
    assert found[100] == pytest.approx(0.002)


# covers: A51
def test_a_short_training_gets_to_the_rate_that_was_asked_for():
    found = rates({"schedule": {"warmup_steps": 100}}, total_steps=12)
    assert max(found) == pytest.approx(0.02)
    assert np.argmax(found) == 4


@pytest.mark.parametrize("kind", ["adam", "adamw", "adagrad"])
def test_each_kind_of_optimizer_gets_its_options(kind):
    changes = {"optimizer": {"kind": kind, "epsilon": 1e-5, "clip_norm": 2.0}}
    optimizer = assembly.assemble_optimizer(parameters(changes), total_steps=10)
    assert type(optimizer).__name__.lower() == kind
    assert (optimizer.epsilon, optimizer.global_clipnorm) == (1e-5, 2.0)
