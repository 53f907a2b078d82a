"""Combinations that are refused before anything is read."""

import keras
import pytest
from pydantic import ValidationError

from tests.training.tiny import model_inputs, parameters, training_in_conf
from two_tower.training import assembly
from two_tower.training.params.training import Training

PAIRS = {"history": "none", "profile": {"use": True}}
MARGIN = {"objective": "max_margin", "negatives": "uniform"}


def margin_of(margin):
    return {"objectives": {"max_margin": {"margin": margin}}}


def scoring(**options):
    return {"scoring": options}


SHARED_DRAWS = {"count": 9, "per_positive": 0}
INTERESTS = {
    "history": "multi_interest",
    "objective": "interest_softmax",
    "negatives": "queue",
}


def queue_of(**options):
    return {"sources": {"queue": options}}


def softmax_of(**options):
    return {"objectives": {"interest_softmax": options}}


WIDE = {
    "item_tower": {
        "embedding": 8,
        "combine": "concat",
        "mlp": {"hidden_units": 8, "batch_norm": False, "dropout": 0.0},
    }
}
UNTAUGHT = softmax_of(
    credit="any",
    dead_heads={"weight": 0.0},
    sharpness={"weight": 0.0},
    semantic={"weight": 0.0},
)
ONE_VECTOR = {"histories": {"multi_interest": {"n_vectors": 1}}}
ONE_HEAD = {"histories": {"multi_interest": {"n_vectors": 1, "n_heads": 1}}}
BY_CATEGORY = softmax_of(credit="category")


# covers: A39 L1
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([INTERESTS, {"objective": "softmax"}], "'multi_interest' and 'interest_"),
        ([INTERESTS, {"history": "mean"}], "'multi_interest' and 'interest_softmax'"),
        ([INTERESTS, {"profile": {"use": True}}], "which embeds users itself"),
        ([INTERESTS, softmax_of(joint=False)], "nearest of all vectors makes one"),
        (
            [INTERESTS, softmax_of(softness={"start": 0.2, "end": 0.3})],
            "ends at 0.3, above its start 0.2",
        ),
        ([INTERESTS, scoring(normalise=False)], "have length 1; set it to true"),
        ([INTERESTS, {"negatives": "catalogue"}], "choose one of in_batch, queue"),
        ([INTERESTS, {"negatives": "unconsumed"}], "candidates that a batch shares"),
        ([INTERESTS, {"negatives": "uniform"}], "set count instead of per_positive"),
        ([INTERESTS, queue_of(size=100, hard=53)], "a batch may have 48 places"),
        (
            [INTERESTS, {"self_supervision": {"pattern": "rfm"}}],
            "goes with objective softmax",
        ),
        ([{"negatives": "queue"}, queue_of(hard=8)], "which knows no heads"),
        ([INTERESTS, queue_of(unique=True), {"log_q": "exact"}], "made up for twice"),
        ([INTERESTS, WIDE], "embedding is 8 but the dimension 16, .* set embedding to"),
        ([INTERESTS, queue_of(hard=8), UNTAUGHT], "nothing teaches which categories"),
        (
            [INTERESTS, queue_of(hard=8), UNTAUGHT, softmax_of(credit="nearest")],
            "nothing teaches which categories",
        ),
        (
            [INTERESTS, queue_of(hard=8), UNTAUGHT, BY_CATEGORY, ONE_VECTOR],
            "nothing teaches which categories",
        ),
    ],
)
def test_what_interests_have_no_use_for_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters(*changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([MARGIN, scoring(temperature={"learned": True})], "would reach any margin"),
        ([MARGIN, margin_of(4.1), scoring(temperature={"start": 0.5})], "4.0 at most"),
        (
            [{"negatives": "unconsumed", "masks": {"consumed": True}}],
            "nothing that it could mask",
        ),
        ([{"fusion": {"dropout": 0.1}}], "no hidden_units"),
        ([{"negatives": "queue", "sources": {"queue": {"size": 95}}}], "have 96"),
        ([PAIRS, {"negatives": "queue", "sources": {"queue": {"size": 47}}}], "48"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters(*changes)


@pytest.mark.parametrize(
    "changes",
    [
        [MARGIN, margin_of(4.0), scoring(temperature={"start": 0.5})],
        [MARGIN, margin_of(9.0), scoring(normalise=False)],
        [{"fusion": {"hidden_units": 8, "dropout": 0.1}}],
        [{"negatives": "queue", "sources": {"queue": {"size": 96}}}],
        [PAIRS, {"negatives": "queue", "sources": {"queue": {"size": 48}}}],
        [INTERESTS, queue_of(size=100, hard=52)],
        [INTERESTS, {"negatives": "uniform"}, {"sources": {"uniform": SHARED_DRAWS}}],
        [INTERESTS, {"negatives": "in_batch", "log_q": "streaming"}],
        [INTERESTS, queue_of(unique=True)],
        [INTERESTS, {"negatives": "in_batch", "log_q": "exact"}, queue_of(unique=True)],
        [INTERESTS, UNTAUGHT],
        [INTERESTS, queue_of(hard=8), UNTAUGHT, BY_CATEGORY],
        [INTERESTS, queue_of(hard=8), UNTAUGHT, softmax_of(sharpness={"weight": 0.1})],
        [INTERESTS, queue_of(hard=8), UNTAUGHT, ONE_HEAD],
    ],
)
def test_what_makes_sense_passes(changes):
    assert parameters(*changes)


PRESETS = (
    "transformer",
    "transformer-large",
    "mean",
    "tfrs-basic",
    "libreco-two-tower",
    "multi-interest",
)


def test_batches_of_pairs_are_whole_chunks_in_every_preset():
    for preset in PRESETS:
        batches = Training.model_validate(training_in_conf(preset=preset)).batches
        assert batches.pairs % min(batches.chunk, batches.pairs) == 0


def test_no_two_parts_of_the_model_share_a_seed():
    layers = {"hidden_units": [8, 8], "batch_norm": False, "dropout": 0.1}
    changes = (
        {"profile": {"use": True, "mlp": layers}},
        {"item_tower": {"mlp": layers}, "fusion": layers},
        {"histories": {"transformer": {"dropout": {"feed_forward": 0.1}}}},
    )
    asked = parameters(*changes, preset="transformer")
    towers = assembly.assemble_towers(asked, model_inputs(asked))
    seeds = [
        layer.seed
        for layer in towers._flatten_layers()  # noqa: SLF001
        if isinstance(layer, keras.layers.Dropout)
    ]
    seeds += [towers.item_tower.seed, towers.profile.seed]
    assert len(set(seeds)) == len(seeds)


def test_weight_decay_leaves_the_temperature_alone():
    asked = parameters(
        {"optimizer": {"kind": "adamw", "weight_decay": 0.1}},
        scoring(temperature={"learned": True}),
    )
    inputs = model_inputs(asked)
    towers = assembly.assemble_towers(asked, inputs)
    feed = assembly.assemble_feed(asked, inputs, towers)
    task = assembly.assemble_state(asked, inputs, towers, feed, "print").task
    is_decayed = task.optimizer._use_weight_decay  # noqa: SLF001
    decayed = [weight for weight in task.trainable_weights if is_decayed(weight)]
    assert decayed
    assert all(len(weight.shape) > 1 for weight in decayed)
