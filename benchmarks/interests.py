"""What vectors, heads, negatives and losses are worth to `multi-interest`.

`python -m benchmarks.interests run base one-vector --seeds 1 2 3` trains variants of
the preset on MovieLens 1M and adds a line for each to docs/results/interests.jsonl;
what is there already is not trained again. `… table` prints them, and `… compare base
one-vector` the difference of two, over the seeds that both have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.records import Record
from benchmarks.variants import (
    FIGURES,
    Study,
    figure_columns,
    main,
    mean,
    request_time,
    training_seconds,
)
from two_tower.training.params import Training

SHOWN = (*FIGURES, "shared_hr@50", "shared_hr@200")

HISTORY = "histories.multi_interest"
SOFTMAX = "objectives.interest_softmax"
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "one-vector": {f"{HISTORY}.n_vectors": 1},
    "two-vectors": {f"{HISTORY}.n_vectors": 2},
    "eight-vectors": {f"{HISTORY}.n_vectors": 8},
    "four-heads": {f"{HISTORY}.n_heads": 4},
    "eight-heads": {f"{HISTORY}.n_heads": 8},
    "thirty-two-heads": {f"{HISTORY}.n_heads": 32},
    "queue-512": {"sources.queue.size": 512},
    "queue-1280": {"sources.queue.size": 1280},
    "queue-5120": {"sources.queue.size": 5120},
    "in-batch": {"negatives": {"kind": "in_batch"}},
    "hard-1280": {"sources.queue.hard": 1280},
    "unique": {"sources.queue.unique": True, "log_q": {"kind": "none"}},
    "no-log-q": {"log_q": {"kind": "none"}},
    "temperature-0.07": {"scoring.temperature.start": 0.07},
    "temperature-0.15": {"scoring.temperature.start": 0.15},
    "no-dead-heads": {f"{SOFTMAX}.load_balancing.weight": 0},
    "no-entropy": {f"{SOFTMAX}.entropy.weight": 0},
    "no-semantic": {f"{SOFTMAX}.semantic.weight": 0},
    "semantic-1": {f"{SOFTMAX}.semantic.weight": 1},
    "assignment-mixture": {f"{SOFTMAX}.assignment": "mixture"},
    "assignment-category": {f"{SOFTMAX}.assignment": "category"},
    "assignment-any": {f"{SOFTMAX}.assignment": "any"},
    "per-vector": {f"{SOFTMAX}.joint": False, f"{SOFTMAX}.assignment": "any"},
    "soft_max_temperature-0.03": {f"{SOFTMAX}.soft_max_temperature.end": 0.03},
    "soft_max_temperature-0.3": {f"{SOFTMAX}.soft_max_temperature.end": 0.3},
    "soft_max_temperature-always-0.3": {
        f"{SOFTMAX}.soft_max_temperature.start": 0.3,
        f"{SOFTMAX}.soft_max_temperature.end": 0.3,
    },
    "straight-through": {f"{HISTORY}.heads.routing": "straight_through"},
    "no-prior": {f"{HISTORY}.heads.prior": False},
    "fifty-items": {f"{HISTORY}.max_items": 50},
    "no-hidden-events": {f"{HISTORY}.events.hidden": 0.0},
    "positions": {f"{HISTORY}.attention.position_bias": True},
    "request-time": {f"{HISTORY}.events.request_time": True},
}


def notes(settings: Training, best: Mapping[str, Any]) -> Record:
    """Return how even the use of heads was, and whether the request is timed."""
    return {
        "request_time": settings.history.multi_interest.events.request_time,
        "heads": settings.history.multi_interest.n_heads,
        "head_posterior_min": best["head_posterior_min"],
        "head_posterior_max": best["head_posterior_max"],
    }


def least_used_head(runs: Sequence[Record]) -> str:
    """Return the least head's share of positives over an even share."""
    return f"{mean(runs, 'head_posterior_min') * mean(runs, 'heads'):.2f}"


STUDY = Study(
    name="interests",
    preset="multi-interest",
    variants=VARIANTS,
    epochs=3,
    shown=SHOWN,
    order="hr@50",
    columns={
        **figure_columns("validation", ["hr@50"]),
        **figure_columns("test", SHOWN),
        "request time": request_time,
        "least used head, times H": least_used_head,
        "training, s": training_seconds,
    },
    notes=notes,
)

if __name__ == "__main__":
    main(STUDY, __doc__)
