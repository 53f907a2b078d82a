"""What objectives and options of the tower are worth to `transformer`.

`python -m benchmarks.transformer run base four-blocks --seeds 1` trains variants of the
preset, as environment `ml-1m` has it, on MovieLens 1M and adds a line for each to
docs/results/transformer.jsonl; what is there already is not trained again, and what was
cut short goes on. `… table` prints them, and `… compare base four-blocks` the
difference of two, over the seeds that both have. Epochs decide on the schedule, so
trainings of different `--epochs` stand in different tables. With `--ties shuffled` the
interactions of one second lie in no order that tells anything, and so do the results.

Seconds are of training alone, without validation.
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

# A validation HR@10 that any sound variant comes to.
TARGET = 0.30

TRANSFORMER = "histories.transformer"
DROPOUT = f"{TRANSFORMER}.dropout"
SHARED_UNIFORM = {
    "negatives": {"kind": "uniform"},
    "sources.uniform.count": 1024,
    "sources.uniform.per_positive": 0,
}
SHARED_POPULAR = {
    "negatives": {"kind": "popular"},
    "sources.popular.count": 1024,
    "sources.popular.per_positive": 0,
}
SWIGLU = {
    f"{TRANSFORMER}.feed_forward.kind": "swiglu",
    # Of three matrices rather than two: as many weights as GELU with a factor of 4.
    f"{TRANSFORMER}.feed_forward.factor": 8 / 3,
}
HSTU = {f"{TRANSFORMER}.attention": "pointwise", f"{TRANSFORMER}.feed_forward": None}
NO_RELATIVE_TIME = {f"{TRANSFORMER}.relative_time": False}
NO_TIME_GAP = {f"{TRANSFORMER}.time_gap": False}
REQUEST_TIME = {f"{TRANSFORMER}.request_time": True}
DOT_PRODUCT = {"scoring.normalise": False, "scoring.temperature.start": 1.0}
SEPARATE = {"history_items": "separate"}


def dropout_of(share: float) -> dict[str, float]:
    """Return the parameters that drop as much of input, attention and branches."""
    return {f"{DROPOUT}.{place}": share for place in ("input", "attention", "branch")}


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
    "no-hidden-times": {f"{DROPOUT}.times": 0.0},
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
    # Objective and negatives; drawn ones are shared by a batch.
    "uniform": {**SHARED_UNIFORM, "log_q": {"kind": "exact"}},
    "popular": {**SHARED_POPULAR, "log_q": {"kind": "exact"}},
    "in-batch": {"negatives": {"kind": "in_batch"}, "log_q": {"kind": "exact"}},
    "in-batch-no-log-q": {"negatives": {"kind": "in_batch"}},
    "mixed": {"negatives": {"kind": "mixed"}, "log_q": {"kind": "exact"}},
    "gbce": {
        **SHARED_UNIFORM,
        "objective": {"kind": "gbce"},
        "sources.uniform.count": 256,
    },
    "gbce-dot-product": {
        **SHARED_UNIFORM,
        **DOT_PRODUCT,
        "objective": {"kind": "gbce"},
        "sources.uniform.count": 256,
    },
    "sigmoid": {
        **SHARED_UNIFORM,
        "objective": {"kind": "sigmoid_cross_entropy"},
        "sources.uniform.count": 256,
    },
    "smoothing-0.05": {"objectives.softmax.smoothing": 0.05},
    "smoothing-0.1": {"objectives.softmax.smoothing": 0.1},
    "smoothing-0.2": {"objectives.softmax.smoothing": 0.2},
    # Scores.
    "temperature-0.04": {"scoring.temperature.start": 0.04},
    "temperature-0.07": {"scoring.temperature.start": 0.07},
    "temperature-0.1": {"scoring.temperature.start": 0.1},
    "temperature-learned": {"scoring.temperature.learned": True},
    "dot-product": DOT_PRODUCT,
    # Averages of weights.
    "ema-0.99": {"averaging": "ema", "averages.ema.momentum": 0.99},
    "ema-0.999": {"averaging": "ema", "averages.ema.momentum": 0.999},
    "swa": {"averaging": "swa"},
    "swa-half": {"averaging": "swa", "averages.swa.from_share": 0.5},
    # Steps.
    "rate-0.001": {"optimizer.learning_rate": 0.001},
    "rate-0.004": {"optimizer.learning_rate": 0.004},
    "tokens_per_batch-3200": {"batches.tokens_per_batch": 3200},
    "tokens_per_batch-12800": {"batches.tokens_per_batch": 12800},
    "tokens_per_batch-25600": {"batches.tokens_per_batch": 25600},
    "weight-decay": {"optimizer.kind": "adamw", "optimizer.weight_decay": 0.01},
}


def notes(settings: Training, best: Mapping[str, Any]) -> Record:
    """Return the temperature of the best epoch, and whether the request is timed."""
    return {
        "temperature": best["temperature"],
        "request_time": settings.history.transformer.request_time,
    }


def trained_epochs(runs: Sequence[Record]) -> str:
    """Return the mean number of epochs, which early stopping makes fewer."""
    return f"{sum(len(run['epoch_seconds']) for run in runs) / len(runs):.1f}"


def seconds_to_best(runs: Sequence[Record]) -> str:
    """Return the mean seconds of training to the end of the epoch that was kept."""
    seconds = [sum(run["epoch_seconds"][: run["best_epoch"]]) for run in runs]
    return f"{sum(seconds) / len(runs):.0f}"


def seconds_to_target(runs: Sequence[Record]) -> str:
    """Return the mean seconds to the first validation at `TARGET`, if all got there."""
    seconds = [seconds_to(run, TARGET) for run in runs]
    reached = [one for one in seconds if one is not None]
    return f"{sum(reached) / len(runs):.0f}" if len(reached) == len(runs) else "never"


def seconds_to(run: Record, target: float) -> float | None:
    """Return the seconds of training until validation HR@10 was as high, or None."""
    for epoch, found in enumerate(run["epoch_hr@10"], start=1):
        if found is not None and found >= target:
            return float(sum(run["epoch_seconds"][:epoch]))
    return None


def load_before(runs: Sequence[Record]) -> str:
    """Return the mean number of processes that ran already: seconds count if it is 0.

    Of machines that others use it is more than that anyhow.
    """
    return f"{mean(runs, 'load_before'):.1f}"


STUDY = Study(
    name="transformer",
    preset="transformer",
    variants=VARIANTS,
    epochs=10,
    shown=FIGURES,
    order="ndcg@10",
    columns={
        **figure_columns("validation", FIGURES),
        **figure_columns("test", FIGURES),
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
