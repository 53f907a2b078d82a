import pytest

from benchmarks.interests import STUDY, VARIANTS, notes
from benchmarks.records import groups_of
from benchmarks.variants import parameters_of, table
from tests.benchmarks.resolved import training_of


def record(variant, seed, hits):
    metrics = dict.fromkeys(("hr@10", "ndcg@10", "hr@50", "hr@200"), hits)
    shared = dict.fromkeys(("shared_hr@50", "shared_hr@200"), hits)
    return {
        "variant": variant,
        "seed": seed,
        "settings": "a",
        "validation": metrics,
        "test": metrics | shared,
        "heads": 8,
        "head_posterior_min": 0.1,
        "epoch_seconds": [10.0, 12.0],
    }


def test_the_table_has_the_least_used_head():
    records = [record("base", 1, 0.5), record("base", 2, 0.5), record("unique", 1, 0.6)]
    groups = groups_of(records, current={})
    rows = [line.strip("| ").split(" | ") for line in table(STUDY, groups).split("\n")]
    assert [row[0] for row in rows[2:4]] == ["unique", "base"]
    assert rows[0][-3:] == [
        "request time",
        "least used head, times H",
        "training, s",
    ]
    assert rows[3][2] == "2"
    assert rows[3][-3:] == ["no", "0.80", "22"]


def test_variants_change_the_preset_and_nothing_else():
    assert parameters_of(STUDY, "one-vector", 2, epochs=3) == {
        "preset": "multi-interest",
        "training.seed": 2,
        "training.epochs": 3,
        "training.history.multi_interest.n_vectors": 1,
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_valid_parameters(variant):
    settings = training_of(STUDY, variant)
    best = {"head_posterior_min": 0.01, "head_posterior_max": 0.2}
    entries = notes(settings, best)
    assert entries["heads"] == settings.history.multi_interest.n_heads
    assert entries["request_time"] == (variant == "request-time")
