"""Ablation of the preset `transformer`: its size, blocks, negatives and optimisation.

`python -m benchmarks.transformer run base four-blocks --seeds 1` trains variants of the
preset with the parameters of environment `ml-1m` on MovieLens 1M. Each training adds a
line to docs/results/transformer.jsonl and is not repeated; an interrupted training
resumes. `… table` prints the results, `… compare base four-blocks` the difference of
two variants over their common seeds. The learning-rate schedule spans all epochs, so
each `--epochs` has a table of its own. `--ties shuffled` randomises the order of
interactions within one second.

Seconds are those of training, without validation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.records import (
    Record,
    mean,
    metric_columns,
    request_time,
    training_seconds,
)
from benchmarks.variants import METRICS, Study, main
from two_tower.training.params import Training

TARGET = 0.30  # validation HR@10 that any sound variant reaches

TRANSFORMER = "history.transformer"
DROPOUT = f"{TRANSFORMER}.dropout"
EXACT_LOG_Q = {"log_q.kind": "exact"}
IN_BATCH = {"negatives.kind": "in_batch"}
SWIGLU = {
    f"{TRANSFORMER}.feed_forward.kind": "swiglu",
    # Three matrices with as many weights as the two of GELU with a factor of 4.
    f"{TRANSFORMER}.feed_forward.factor": 8 / 3,
}
HSTU = {f"{TRANSFORMER}.attention": "pointwise", f"{TRANSFORMER}.feed_forward": None}
NO_RELATIVE_TIME = {f"{TRANSFORMER}.relative_time": False}
NO_TIME_GAP = {f"{TRANSFORMER}.time_gap": False}
REQUEST_TIME = {f"{TRANSFORMER}.request_time": True}
SEPARATE = {"history_items": "separate"}


def shared_negatives(kind: str, count: int) -> dict[str, Any]:
    """Return the parameters of sampled negatives that the queries of a batch share."""
    return {
        "negatives.kind": kind,
        f"negatives.{kind}.count": count,
        f"negatives.{kind}.per_positive": 0,
    }


def dropout_of(rate: float) -> dict[str, float]:
    """Return the parameters of one dropout rate for input, attention and branches."""
    return {f"{DROPOUT}.{part}": rate for part in ("input", "attention", "branch")}


VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "large": {"preset": "transformer-large"},
    "large-request": {"preset": "transformer-large", **REQUEST_TIME},
    # Size.
    "one-block": {f"{TRANSFORMER}.n_blocks": 1},
    "three-blocks": {f"{TRANSFORMER}.n_blocks": 3},
    "four-blocks": {f"{TRANSFORMER}.n_blocks": 4},
    "eight-blocks": {f"{TRANSFORMER}.n_blocks": 8},
    "one-head": {f"{TRANSFORMER}.n_heads": 1},
    "four-heads": {f"{TRANSFORMER}.n_heads": 4},
    "wide-heads": {f"{TRANSFORMER}.head_width": 64},
    "width-32": {"dimension": 32},
    "width-96": {"dimension": 96},
    "width-128": {"dimension": 128},
    # Dropout.
    "dropout-0.1": dropout_of(0.1),
    "dropout-0.2": dropout_of(0.2),
    "dropout-0.4": dropout_of(0.4),
    "no-input-dropout": {f"{DROPOUT}.input": 0.0},
    "no-attention-dropout": {f"{DROPOUT}.attention": 0.0},
    "no-branch-dropout": {f"{DROPOUT}.branch": 0.0},
    "feed-forward-dropout": {f"{DROPOUT}.feed_forward": 0.2},
    "no-time-dropout": {f"{DROPOUT}.times": 0.0},
    # Blocks.
    "gated": {f"{TRANSFORMER}.residual": "gated"},
    "swiglu": SWIGLU,
    "gated-swiglu": {f"{TRANSFORMER}.residual": "gated", **SWIGLU},
    "attention-alone": {f"{TRANSFORMER}.feed_forward": None},
    "pointwise": {f"{TRANSFORMER}.attention": "pointwise"},
    "hstu": HSTU,
    # Position and time.
    "absolute-position": {f"{TRANSFORMER}.absolute_position": True},
    "no-relative-position": {f"{TRANSFORMER}.relative_position": False},
    "absolute-position-alone": {
        f"{TRANSFORMER}.absolute_position": True,
        f"{TRANSFORMER}.relative_position": False,
    },
    "no-relative-time": NO_RELATIVE_TIME,
    "no-time-gap": NO_TIME_GAP,
    "no-times": {**NO_RELATIVE_TIME, **NO_TIME_GAP},
    "times-request": REQUEST_TIME,
    "time-gap-request": {**REQUEST_TIME, **NO_RELATIVE_TIME},
    "four-blocks-request": {**REQUEST_TIME, f"{TRANSFORMER}.n_blocks": 4},
    # Items, as candidates and in histories.
    "no-features": {"item_tower.use_features": False},
    "no-ids": {"item_tower.use_id": False},
    "id-dropout": {"item_tower.id_dropout": 0.1},
    "separate": SEPARATE,
    "separate-plain-histories": {
        **SEPARATE,
        "history_item_tower.use_features": False,
    },
    "separate-plain-candidates": {**SEPARATE, "item_tower.use_features": False},
    # Objective and negatives.
    "uniform": {**shared_negatives("uniform", 1024), **EXACT_LOG_Q},
    "popular": {**shared_negatives("popular", 1024), **EXACT_LOG_Q},
    "in-batch": {**IN_BATCH, **EXACT_LOG_Q},
    "in-batch-no-log-q": IN_BATCH,
    "mixed": {"negatives.kind": "mixed", **EXACT_LOG_Q},
    "sigmoid": {
        **shared_negatives("uniform", 256),
        "objective.kind": "sigmoid_cross_entropy",
    },
    # Scores.
    "temperature-0.04": {"scoring.temperature.start": 0.04},
    "temperature-0.07": {"scoring.temperature.start": 0.07},
    "temperature-0.1": {"scoring.temperature.start": 0.1},
    "temperature-learned": {"scoring.temperature.learned": True},
    "dot-product": {"scoring.normalise": False, "scoring.temperature.start": 1.0},
    # Optimisation.
    "rate-0.001": {"optimizer.learning_rate": 0.001},
    "rate-0.004": {"optimizer.learning_rate": 0.004},
    "tokens-3200": {"batches.tokens_per_batch": 3200},
    "tokens-12800": {"batches.tokens_per_batch": 12800},
    "tokens-25600": {"batches.tokens_per_batch": 25600},
    "weight-decay": {
        "optimizer.kind": "adamw",
        "optimizer.adamw.weight_decay": 0.01,
    },
}


def notes(settings: Training, best: Mapping[str, Any]) -> Record:
    """Return the temperature of the best epoch, and whether request time is known."""
    return {
        "temperature": best["temperature"],
        "request_time": settings.history.transformer.request_time,
    }


def trained_epochs(runs: Sequence[Record]) -> str:
    """Return the mean number of epochs until early stopping or the last epoch."""
    return f"{np.mean([len(run['epoch_seconds']) for run in runs]):.1f}"


def seconds_to_best(runs: Sequence[Record]) -> str:
    """Return the mean seconds of training up to the end of the best epoch."""
    seconds = [sum(run["epoch_seconds"][: run["best_epoch"]]) for run in runs]
    return f"{np.mean(seconds):.0f}"


def seconds_to_target(runs: Sequence[Record]) -> str:
    """Return the mean seconds to a validation HR@10 of `TARGET`, if all reach it."""
    reached = [
        seconds for run in runs if (seconds := seconds_to(run, TARGET)) is not None
    ]
    return f"{np.mean(reached):.0f}" if len(reached) == len(runs) else "never"


def seconds_to(run: Record, target: float) -> float | None:
    """Return the seconds of training to a validation HR@10; None if never reached."""
    for epoch, hit_rate in enumerate(run["epoch_hr@10"], start=1):
        if hit_rate is not None and hit_rate >= target:
            return float(sum(run["epoch_seconds"][:epoch]))
    return None


def load_before(runs: Sequence[Record]) -> str:
    """Return the mean load of the machine before training; seconds are sound near 0."""
    return f"{mean(runs, 'load_before'):.1f}"


STUDY = Study(
    name="transformer",
    preset="transformer",
    variants=VARIANTS,
    epochs=10,
    test_metrics=METRICS,
    sort_by="ndcg@10",
    columns={
        **metric_columns("validation", METRICS),
        **metric_columns("test", METRICS),
        "request time": request_time,
        "epochs": trained_epochs,
        "training, s": training_seconds,
        "to the best epoch, s": seconds_to_best,
        f"to validation HR@10 {TARGET:.2f}, s": seconds_to_target,
        "load before": load_before,
    },
    notes=notes,
)

if __name__ == "__main__":
    main(STUDY, __doc__)
