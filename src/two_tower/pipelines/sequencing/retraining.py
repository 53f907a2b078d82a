"""Whether data may be held out as asked from towers that were trained before."""

from typing import Any, Final

from pydantic import BaseModel

from two_tower.types import JsonObject

from .params import Order, Selection, Split

GROWING_KINDS: Final = ("leave_one_out", "temporal")
"""Kinds of split that hold out the latest; all others draw anew as the data grow."""


def require_same_rules(
    known: JsonObject, selected: Selection, order: Order, split: Split
) -> None:
    """Refuse rules that may hold out what the deployed towers were trained on.

    Args:
        known: `sequencing.selection`, `sequencing.order` and `sequencing.split` of the
            deployed towers' training, as JSON.
        selected: what counts now.
        order: what comes first within a second now.
        split: how interactions are held out now; dated cut-offs may have moved on.

    Raises:
        ValueError: naming the parameters that differ, or the kind of split.
    """
    if split.kind not in GROWING_KINDS:
        raise ValueError(
            f"sequencing.split.kind is {split.kind!r}, which is drawn anew when the "
            "data grow, so that retraining would be measured on what the deployed "
            f"towers were trained on; retrain with one of {', '.join(GROWING_KINDS)}, "
            "or train anew with kedro run"
        )
    old_split = Split.model_validate(known["sequencing.split"])
    before = {
        "sequencing.selection": Selection.model_validate(known["sequencing.selection"]),
        "sequencing.order": Order.model_validate(known["sequencing.order"]),
        "sequencing.split": old_split,
    }
    now = {
        "sequencing.selection": selected,
        "sequencing.order": order,
        "sequencing.split": split,
    }
    described = {
        name: (_in_force(before[name]), _in_force(now[name]))
        for name in now
        if _in_force(before[name]) != _in_force(now[name])
    }
    if _has_moved_on(old_split, split):
        described.pop("sequencing.split", None)
    if described:
        what = "; ".join(
            f"{name} was {old}, to be {new}" for name, (old, new) in described.items()
        )
        raise ValueError(
            "the deployed towers were trained under other rules, so that retraining "
            f"would be measured on what they were trained on: {what}; set these as "
            "they were, or train anew with kedro run"
        )


def _in_force(rules: BaseModel) -> dict[str, Any]:
    """Return the parameters without those of the split's other kinds."""
    plain = rules.model_dump(mode="json")
    if not isinstance(rules, Split):
        return plain
    return {name: plain[name] for name in ("kind", rules.kind) if name in plain}


def _has_moved_on(before: Split, now: Split) -> bool:
    """Tell whether both cut at dates, and nothing before the old cut is held out."""
    if (before.kind, now.kind) != ("temporal", "temporal"):
        return False
    cuts = (*before.temporal.cuts, *now.temporal.cuts)
    are_dates = all(isinstance(cut, int) for cut in cuts)
    return are_dates and now.temporal.cuts[0] >= before.temporal.cuts[0]
