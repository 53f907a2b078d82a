from dataclasses import asdict

import keras
import numpy as np
import pytest

from tests.training.fit_tiny import walks
from tests.training.tiny import N_ITEMS, N_USERS, model_inputs, parameters
from two_tower.towers.mean import MeanUserTower
from two_tower.towers.transformer.tower import TransformerUserTower
from two_tower.training import assembly
from two_tower.training.batches.pairs import PairBatches
from two_tower.training.batches.windows import WindowBatches
from two_tower.training.task import RetrievalTask, StackedTask

PROFILE = {"history": {"kind": "none"}, "profile": {"use": True}}
INTERESTS = {
    "history": {"kind": "multi_interest"},
    "objective": {"kind": "interest_softmax"},
    "negatives": {"kind": "in_batch"},
}
LAYERS = {"hidden_units": 12, "batch_norm": True, "dropout": 0.1}


def towers_of(*changes, preset="mean", **inputs):
    asked = parameters(*changes, preset=preset)
    return assembly.assemble_towers(asked, model_inputs(asked, **inputs))


def test_the_mean_has_the_layers_that_were_asked_for():
    change = {"history": {"mean": {"hidden_units": [12, 9], "dropout": 0.3}}}
    encoder = towers_of(change).history_encoder
    assert isinstance(encoder, MeanUserTower)
    assert (encoder.hidden_units, encoder.dropout) == ([12, 9], 0.3)
    assert (encoder.dimension, encoder.max_length) == (16, 8)


def test_the_transformer_has_the_blocks_that_were_asked_for():
    change = {"n_blocks": 2, "n_heads": 4, "dropout": {"attention": 0.3}}
    asked = parameters({"history": {"transformer": change}}, preset="transformer")
    encoder = assembly.assemble_towers(asked, model_inputs(asked)).history_encoder
    assert isinstance(encoder, TransformerUserTower)
    assert (len(encoder.blocks), encoder.max_length) == (2, 8)
    wanted = asked.history.transformer.model_dump()
    assert asdict(encoder.options) == wanted


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


def feed_of(*changes, preset="mean", histories=None):
    asked = parameters(*changes, preset=preset)
    inputs = model_inputs(asked, histories=histories)
    towers = assembly.assemble_towers(asked, inputs)
    return assembly.assemble_feed(asked, inputs, towers)


def test_a_window_wider_than_every_bucket_is_refused():
    narrow = {"batches": {"buckets": [4, 6]}}
    with pytest.raises(ValueError, match=r"has 8 items, .*\[4, 6\]; add a bucket"):
        feed_of(narrow)


def test_more_items_than_the_widest_bucket_are_refused():
    many = {"history": {"multi_interest": {"max_items": 9}}}
    with pytest.raises(ValueError, match=r"max_items is 9, .*\[4, 8\]; add a bucket"):
        feed_of(INTERESTS, many)


# covers: A8
@pytest.mark.parametrize(
    "change",
    [
        {"history": {"multi_interest": {"category": ["year", "primary_genre"]}}},
        {"item_tower": {"features": {"genres": False}}},
        {"item_tower": {"use_features": False}},
    ],
)
def test_a_category_of_a_feature_that_items_lack_is_refused(change):
    with pytest.raises(ValueError, match=r"category names \[.*features\.\w+=true"):
        towers_of(INTERESTS, change)


def test_a_feed_of_histories_is_as_asked():
    feed = feed_of({"seed": 7})
    assert isinstance(feed, WindowBatches)
    assert (feed.edges, feed.tokens_per_batch, feed.chunk, feed.seed) == (
        [4, 8],
        64,
        32,
        7,
    )


def test_a_feed_of_pairs_is_as_asked():
    feed = feed_of(PROFILE, {"batches": {"pairs": 20, "logits_chunk": 8}})
    assert isinstance(feed, PairBatches)
    assert (feed.size, feed.max_queries) == (20, 24)


def test_a_chunk_is_no_larger_than_a_batch_of_pairs():
    assert feed_of(PROFILE, {"batches": {"pairs": 20}}).max_queries == 20


@pytest.mark.parametrize(("longest", "edges"), [(2, [2]), (4, [4]), (7, [4, 7])])
def test_the_last_bucket_is_as_wide_as_the_longest_window(longest, edges):
    assert feed_of(histories=[[2, 3], list(range(2, 3 + longest))]).edges == edges


def test_a_queue_smaller_than_a_batch_is_refused_before_training():
    # Batches of histories shorter than any bucket have more places: 32 of 3.
    small = {"negatives": {"kind": "queue", "queue": {"size": 80}}}
    with pytest.raises(ValueError, match=r"size is 80, .* a batch may have 96 places"):
        feed_of(small, {"batches": {"logits_chunk": 8}}, histories=[[2, 3, 4], [5, 6]])


def validation_of(*changes, held_out):
    asked = parameters(*changes)
    inputs = model_inputs(asked, held_out=held_out)
    towers = assembly.assemble_towers(asked, inputs)
    return assembly.assemble_validation(asked, inputs.examples, towers)


def test_without_held_out_users_there_is_no_validation():
    assert validation_of(held_out=[]) is None


# covers: L26
def test_validation_is_as_asked():
    asked = {"validation": {"sample_users": 5, "tokens_per_batch": 30, "item_block": 7}}
    found = validation_of(asked, held_out=walks(20, N_ITEMS))
    assert len(found.examples) == 5
    assert (found.tokens_per_batch, found.item_block, found.edges) == (30, 7, [4, 8])


@pytest.mark.parametrize(
    ("change", "kind", "steps"),
    [
        ({}, RetrievalTask, 4),
        (PROFILE, StackedTask, 1),
        (PROFILE | {"backend": "jax"}, RetrievalTask, 4),
    ],
)
def test_steps_of_pairs_are_stacked_on_tensorflow(change, kind, steps):
    asked = parameters({"backend": "tensorflow", "steps_per_execution": 4}, change)
    inputs = model_inputs(asked)
    towers = assembly.assemble_towers(asked, inputs)
    feed = assembly.assemble_feed(asked, inputs, towers)
    state = assembly.assemble_state(asked, inputs, towers, feed, "print")
    assert type(state.task) is kind
    assert state.task.steps_per_execution == steps
    assert state.stack == 4 // steps


# covers: L19
def test_the_temperature_is_as_asked():
    asked = parameters({"scoring": {"temperature": {"start": 0.3, "learned": True}}})
    inputs = model_inputs(asked)
    towers = assembly.assemble_towers(asked, inputs)
    feed = assembly.assemble_feed(asked, inputs, towers)
    state = assembly.assemble_state(asked, inputs, towers, feed, "print")
    assert state.task.temperature.current == pytest.approx(0.3)
    assert len(state.task.temperature.trainable_weights) == 1


def rates(*changes, steps_per_epoch=50):
    optimizer = assembly.assemble_optimizer(
        parameters(*changes), steps_per_epoch=steps_per_epoch
    )
    total_steps = 2 * steps_per_epoch  # two epochs
    schedule = optimizer.get_config()["learning_rate"]
    if isinstance(schedule, float):
        return [schedule] * (total_steps + 1)
    return [float(optimizer._learning_rate(s)) for s in range(total_steps + 1)]  # noqa: SLF001


def cosine(**options):
    return {"schedule": {"cosine": options}}


# covers: A51 L14
def test_a_constant_rate_stays():
    assert rates({"schedule": {"kind": "constant"}}) == pytest.approx([0.02] * 101)


# covers: A51 L14
def test_the_rate_peaks_after_the_warm_up_and_ends_at_its_share():
    found = rates(cosine(warmup_steps=10, final_share=0.1))
    assert np.argmax(found) == 10
    assert found[10] == pytest.approx(0.02)
    assert found[100] == pytest.approx(0.002)


# covers: A51
def test_a_short_training_gets_to_the_rate_that_was_asked_for():
    found = rates(cosine(warmup_steps=100), steps_per_epoch=6)
    assert max(found) == pytest.approx(0.02)
    assert np.argmax(found) == 4


# covers: L14
def test_an_exponential_rate_falls_epoch_by_epoch():
    exponential = {"exponential": {"per_epoch": 0.5, "staircase": True}}
    found = rates({"schedule": {"kind": "exponential", **exponential}})
    assert found == pytest.approx([0.02] * 50 + [0.01] * 50 + [0.005])


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        ("adam", keras.optimizers.Adam),
        ("adamw", keras.optimizers.AdamW),
        ("adagrad", keras.optimizers.Adagrad),
        ("sgd", keras.optimizers.SGD),
    ],
)
def test_each_kind_of_optimizer_gets_its_options(kind, base):
    changes = {"optimizer": {"kind": kind, "clip_norm": 2.0, "adam": {"epsilon": 1e-5}}}
    optimizer = assembly.assemble_optimizer(parameters(changes), steps_per_epoch=5)
    assert isinstance(optimizer, base)
    assert optimizer.global_clipnorm == 2.0
    assert getattr(optimizer, "epsilon", 1e-5) == 1e-5
