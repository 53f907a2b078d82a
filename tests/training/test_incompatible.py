"""Combinations that are refused before anything is read."""

import keras
import pytest
from pydantic import ValidationError

from tests.training.tiny import model_inputs, parameters, training_in_conf
from two_tower.training import assembly
from two_tower.training.loader import build_batches
from two_tower.training.model import build_towers
from two_tower.training.params import Training

PAIRS = {"history": {"kind": "none"}, "profile": {"use": True}}
MARGIN = {"objective": {"kind": "max_margin"}, "negatives": {"kind": "uniform"}}


def margin_of(margin):
    return {"objective": {"max_margin": {"margin": margin}}}


def scoring(**options):
    return {"scoring": options}


SHARED_DRAWS = {"count": 9, "per_positive": 0}
INTERESTS = {
    "history": {"kind": "multi_interest"},
    "objective": {"kind": "interest_softmax"},
    "negatives": {"kind": "queue"},
}


def queue_of(**options):
    return {"negatives": {"queue": options}}


def softmax_of(**options):
    return {"objective": {"interest_softmax": options}}


WIDE = {
    "item_tower": {
        "embedding": 8,
        "combine": "concat",
        "mlp": {"hidden_units": 8, "batch_norm": False, "dropout": 0.0},
    }
}
UNTAUGHT = softmax_of(
    assignment="any",
    load_balancing={"weight": 0.0},
    entropy={"weight": 0.0},
    semantic={"weight": 0.0},
)
ONE_VECTOR = {"history": {"multi_interest": {"n_vectors": 1}}}
ONE_HEAD = {"history": {"multi_interest": {"n_vectors": 1, "n_heads": 1}}}
BY_CATEGORY = softmax_of(assignment="category")


# covers: A39 L1
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [INTERESTS, {"objective": {"kind": "softmax"}}],
            "'multi_interest' needs 'interest_",
        ),
        (
            [INTERESTS, {"history": {"kind": "mean"}}],
            "'multi_interest' needs 'interest_softmax'",
        ),
        ([INTERESTS, {"profile": {"use": True}}], "embeds users itself"),
        ([INTERESTS, softmax_of(joint=False)], "nearest of all vectors makes one"),
        (
            [INTERESTS, softmax_of(soft_max_temperature={"start": 0.2, "end": 0.3})],
            "ends at 0.3, above its start 0.2",
        ),
        ([INTERESTS, scoring(normalise=False)], "returns unit vectors; set it to true"),
        (
            [INTERESTS, {"negatives": {"kind": "catalogue"}}],
            "choose one of in_batch, uniform",
        ),
        (
            [INTERESTS, {"negatives": {"kind": "unconsumed"}}],
            "shared by the batch",
        ),
        (
            [INTERESTS, {"negatives": {"kind": "uniform"}}],
            "set count instead of per_positive",
        ),
        ([INTERESTS, queue_of(size=100, hard=53)], "a batch of up to 48 queries"),
        (
            [INTERESTS, {"self_supervision": {"kind": "rfm"}}],
            "needs objective.kind softmax",
        ),
        ([{"negatives": {"kind": "queue"}}, queue_of(hard=8)], "has no heads"),
        (
            [INTERESTS, queue_of(unique=True), {"log_q": {"kind": "exact"}}],
            "corrected twice",
        ),
        ([INTERESTS, WIDE], "embedding is 8 but the dimension 16; .* set embedding to"),
        (
            [INTERESTS, queue_of(hard=8), UNTAUGHT],
            "nothing trains the router of categories",
        ),
        (
            [INTERESTS, queue_of(hard=8), UNTAUGHT, softmax_of(assignment="nearest")],
            "nothing trains the router of categories",
        ),
        (
            [INTERESTS, queue_of(hard=8), UNTAUGHT, BY_CATEGORY, ONE_VECTOR],
            "nothing trains the router of categories",
        ),
    ],
)
def test_what_interests_have_no_use_for_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters(*changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([MARGIN, scoring(temperature={"learned": True})], "reaches any margin"),
        ([MARGIN, margin_of(4.1), scoring(temperature={"start": 0.5})], "4.0 at most"),
        (
            [{"negatives": {"kind": "unconsumed"}, "masks": {"consumed": True}}],
            "samples no consumed item",
        ),
        ([{"fusion": {"dropout": 0.1}}], "no hidden_units"),
        ([{"negatives": {"kind": "queue", "queue": {"size": 95}}}], "up to 96"),
        ([PAIRS, {"negatives": {"kind": "queue", "queue": {"size": 47}}}], "48"),
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
        [{"negatives": {"kind": "queue", "queue": {"size": 96}}}],
        [PAIRS, {"negatives": {"kind": "queue", "queue": {"size": 48}}}],
        [INTERESTS, queue_of(size=100, hard=52)],
        [
            INTERESTS,
            {"negatives": {"kind": "uniform"}},
            {"negatives": {"uniform": SHARED_DRAWS}},
        ],
        [
            INTERESTS,
            {"negatives": {"kind": "in_batch"}, "log_q": {"kind": "streaming"}},
        ],
        [INTERESTS, queue_of(unique=True)],
        [
            INTERESTS,
            {"negatives": {"kind": "in_batch"}, "log_q": {"kind": "exact"}},
            queue_of(unique=True),
        ],
        [INTERESTS, UNTAUGHT],
        [INTERESTS, queue_of(hard=8), UNTAUGHT, BY_CATEGORY],
        [INTERESTS, queue_of(hard=8), UNTAUGHT, softmax_of(entropy={"weight": 0.1})],
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
    "multiclrec",
)


def test_batches_of_pairs_are_whole_chunks_in_every_preset():
    for preset in PRESETS:
        batches = Training.model_validate(training_in_conf(preset=preset)).batches
        assert batches.pairs % batches.chunk(query_per_position=False) == 0


def test_no_two_parts_of_the_model_share_a_seed():
    layers = {"hidden_units": [8, 8], "batch_norm": False, "dropout": 0.1}
    changes = (
        {"profile": {"use": True, "mlp": layers}},
        {"item_tower": {"mlp": layers}, "fusion": layers},
        {"history": {"transformer": {"dropout": {"feed_forward": 0.1}}}},
    )
    asked = parameters(*changes, preset="transformer")
    towers = build_towers(asked, model_inputs(asked))
    seeds = [
        layer.seed
        for layer in towers._flatten_layers()  # noqa: SLF001
        if isinstance(layer, keras.layers.Dropout)
    ]
    seeds += [towers.item_tower.seed, towers.profile.seed]
    assert len(set(seeds)) == len(seeds)


def test_weight_decay_leaves_the_temperature_alone():
    asked = parameters(
        {"optimizer": {"kind": "adamw", "adamw": {"weight_decay": 0.1}}},
        scoring(temperature={"learned": True}),
    )
    inputs = model_inputs(asked)
    towers = build_towers(asked, inputs)
    batches = build_batches(asked, inputs, towers)
    task = assembly.build_state(asked, inputs, towers, batches, "print").task
    is_decayed = task.optimizer._use_weight_decay  # noqa: SLF001
    decayed = [weight for weight in task.trainable_weights if is_decayed(weight)]
    assert decayed
    assert all(len(weight.shape) > 1 for weight in decayed)
