"""Ablation of the preset `multi-interest`: vectors, heads, negatives and losses.

`python -m benchmarks.interests run base one-vector --seeds 1 2 3` trains variants of
the preset on MovieLens 1M. Each training adds a line to docs/results/interests.jsonl
and is not repeated. `… table` prints the results, `… compare base one-vector` the
difference of two variants over their common seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.records import (
    Record,
    mean,
    metric_columns,
    request_time,
    training_seconds,
)
from benchmarks.variants import METRICS, Study, main
from two_tower.training.params import Training

TEST_METRICS = (*METRICS, "shared_hr@50", "shared_hr@200")

HISTORY = "history.multi_interest"
SOFTMAX = "objective.interest_softmax"
SOFT_MAX_START = f"{SOFTMAX}.soft_max_temperature.start"
SOFT_MAX_END = f"{SOFTMAX}.soft_max_temperature.end"

# Recorded results refer to these names, so a name outlives that of its option.
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "one-vector": {f"{HISTORY}.n_vectors": 1},
    "two-vectors": {f"{HISTORY}.n_vectors": 2},
    "eight-vectors": {f"{HISTORY}.n_vectors": 8},
    "four-heads": {f"{HISTORY}.n_heads": 4},
    "eight-heads": {f"{HISTORY}.n_heads": 8},
    "thirty-two-heads": {f"{HISTORY}.n_heads": 32},
    "queue-512": {"negatives.queue.size": 512},
    "queue-1280": {"negatives.queue.size": 1280},
    "queue-5120": {"negatives.queue.size": 5120},
    "in-batch": {"negatives.kind": "in_batch"},
    "hard-1280": {"negatives.queue.hard": 1280},
    "unique": {"negatives.queue.unique": True, "log_q.kind": "none"},
    "no-log-q": {"log_q.kind": "none"},
    "temperature-0.07": {"scoring.temperature.start": 0.07},
    "temperature-0.15": {"scoring.temperature.start": 0.15},
    "no-dead-heads": {f"{SOFTMAX}.load_balancing.weight": 0},
    "no-sharpness": {f"{SOFTMAX}.entropy.weight": 0},
    "no-semantic": {f"{SOFTMAX}.semantic.weight": 0},
    "semantic-1": {f"{SOFTMAX}.semantic.weight": 1},
    "assignment-mixture": {f"{SOFTMAX}.assignment": "mixture"},
    "assignment-category": {f"{SOFTMAX}.assignment": "category"},
    "assignment-any": {f"{SOFTMAX}.assignment": "any"},
    "per-vector": {f"{SOFTMAX}.joint": False, f"{SOFTMAX}.assignment": "any"},
    "softness-0.03": {SOFT_MAX_END: 0.03},
    "softness-0.3": {SOFT_MAX_END: 0.3},
    "softness-always-0.3": {SOFT_MAX_START: 0.3, SOFT_MAX_END: 0.3},
    "straight-through": {f"{HISTORY}.heads.routing": "straight_through"},
    "no-prior": {f"{HISTORY}.heads.prior": False},
    "fifty-items": {f"{HISTORY}.max_items": 50},
    "no-hidden-events": {f"{HISTORY}.events.hidden": 0.0},
    "positions": {f"{HISTORY}.attention.position_bias": True},
    "request-time": {f"{HISTORY}.events.request_time": True},
}


def notes(settings: Training, best: Mapping[str, Any]) -> Record:
    """Return the load of heads in the best epoch, and whether request time is known."""
    history = settings.history.multi_interest
    return {
        "request_time": history.events.request_time,
        "heads": history.n_heads,
        "head_posterior_min": best["head_posterior_min"],
        "head_posterior_max": best["head_posterior_max"],
    }


def least_used_head(runs: Sequence[Record]) -> str:
    """Return the least used head's share of positives, relative to an even share."""
    return f"{mean(runs, 'head_posterior_min') * mean(runs, 'heads'):.2f}"


STUDY = Study(
    name="interests",
    preset="multi-interest",
    variants=VARIANTS,
    epochs=3,
    test_metrics=TEST_METRICS,
    sort_by="hr@50",
    columns={
        **metric_columns("validation", ["hr@50"]),
        **metric_columns("test", TEST_METRICS),
        "request time": request_time,
        "least used head, times H": least_used_head,
        "training, s": training_seconds,
    },
    notes=notes,
)

if __name__ == "__main__":
    main(STUDY, __doc__)
