import json
import logging

import pytest

from tests.evaluation.fabricate import World, metrics_of

WORLD = World()


@pytest.fixture(scope="module")
def metrics():
    return metrics_of(WORLD)


def test_metrics_have_the_agreed_keys_and_are_json(metrics):
    assert list(metrics) == [
        "protocol",
        "two_tower",
        "baselines",
        "intervals",
        "slices",
        "among_cold_items",
    ]
    assert list(metrics["two_tower"]) == ["exact", "index"]
    assert list(metrics["baselines"]) == ["popularity", "ease"]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_the_protocol_states_the_sizes(metrics):
    protocol = metrics["protocol"]
    assert protocol["n_queries"] == 12
    assert protocol["n_positives"] == 14  # user 2 has three, one of them repeated
    assert protocol["n_items"] == 30
    assert protocol["refit"] is False
    for words in ("small world", "leave_one_out", "all 30 items", "worst rank"):
        assert words in protocol["in_words"]


def test_skipped_ease_is_stated_with_its_limit():
    metrics = metrics_of(WORLD, ease={"max_items": 29})
    skipped = metrics["baselines"]["ease"]["skipped"]
    assert "30 items, and evaluation.baselines.ease.max_items is 29" in skipped
    assert "over_ease" not in metrics["intervals"]
    assert "hr@5" in metrics["baselines"]["popularity"]


def test_the_headline_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="two_tower"):
        metrics = metrics_of(WORLD)
    hit_rate = metrics["two_tower"]["exact"]["hr@5"]
    assert f"HR@5 / NDCG@5: two-tower, exact {hit_rate:.4f}" in caplog.text


def test_a_headline_that_is_no_cutoff_is_refused():
    with pytest.raises(ValueError, match=r"headline is 7, .*cutoffs \[1, 5, 10\]"):
        metrics_of(WORLD, headline=7)


def test_ranks_of_other_positives_are_refused():
    with pytest.raises(ValueError, match="are different positives"):
        metrics_of(WORLD, baselines_of=World(n_users=11))
