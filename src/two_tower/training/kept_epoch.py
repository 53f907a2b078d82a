"""The epoch whose weights a training keeps, and what it says about their number."""

from collections.abc import Sequence

from two_tower.types import JsonObject


def mark_kept(history: Sequence[JsonObject], epoch: int) -> None:
    """Add `kept` to the record of each epoch: whether its weights are the model's.

    Args:
        history: a record of each epoch, changed in place.
        epoch: the kept one, from 1.
    """
    for record in history:
        record["kept"] = record["epoch"] == epoch


def find_kept_epoch(history: Sequence[JsonObject]) -> int:
    """Return the epoch, from 1, whose weights are the model's.

    Args:
        history: as from `mark_kept`.
    """
    return next(int(record["epoch"]) for record in history if record["kept"])


def describe_kept_epoch(history: Sequence[JsonObject]) -> str:
    """Return which epoch is kept, and whether another number of epochs may be better.

    Args:
        history: as from `mark_kept`.
    """
    kept, n = find_kept_epoch(history), len(history)
    if not any(name.startswith("val_") for record in history for name in record):
        return f"No validation: {n} epochs were trained, and the last is the model."
    found = f"The best epoch on the validation was number {kept} of {n}"
    if kept == n:
        return f"{found}, the last one: train longer, with a higher training.epochs."
    if kept <= n / 2:
        return f"{found}: a lower training.epochs may be as good, and takes less time."
    return f"{found}."
