"""Check before retraining: nothing that the deployed towers saw may be held out."""

from typing import Any

from pydantic import BaseModel

from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.splits import Split
from two_tower.types import JsonObject


def require_same_rules(
    deployed: JsonObject, selected: Selection, order: Order, split: Split
) -> None:
    """Refuse rules that may hold out interactions the deployed towers were trained on.

    Args:
        deployed: `sequencing.selection`, `sequencing.order` and `sequencing.split` of
            the deployed towers' training, as JSON.
        selected: the present selection.
        order: the present order.
        split: the present split; its dates may be later than the deployed ones.

    Raises:
        ValueError: naming the parameters that differ, or the kind of split.
    """
    _require_stable_split(split)
    deployed_split = Split.model_validate(deployed["sequencing.split"])
    selection = Selection.model_validate(deployed["sequencing.selection"])
    pairs: dict[str, tuple[BaseModel, BaseModel]] = {
        "sequencing.selection": (selection, selected),
        "sequencing.order": (Order.model_validate(deployed["sequencing.order"]), order),
        "sequencing.split": (deployed_split, split),
    }
    rules = {
        name: (_in_force(before), _in_force(now))
        for name, (before, now) in pairs.items()
    }
    differing = [
        f"{name} was {before}, now {now}"
        for name, (before, now) in rules.items()
        if before != now
        and not (name == "sequencing.split" and _cuts_later(deployed_split, split))
    ]
    if differing:
        raise ValueError(
            "the deployed towers were trained under other rules: "
            f"{'; '.join(differing)}. Retraining would be evaluated on interactions "
            "that they were trained on. Set these parameters as they were, or "
            "train a new model: kedro run"
        )


def _require_stable_split(split: Split) -> None:
    """Refuse a split that holds out other interactions when the data grow."""
    if split.chosen.is_random:
        stable = [name for name in split.kinds() if not getattr(split, name).is_random]
        raise ValueError(
            f"sequencing.split.kind is {split.kind!r}, a random split, which changes "
            "when the data grow: retraining would be evaluated on interactions that "
            "the deployed towers were trained on. Retrain with one of "
            f"{', '.join(stable)}, or train a new model: kedro run"
        )


def _in_force(rules: BaseModel) -> dict[str, Any]:
    """Return the parameters without the groups of the split's other kinds."""
    plain = rules.model_dump(mode="json")
    if not isinstance(rules, Split):
        return plain
    return {name: plain[name] for name in ("kind", rules.kind) if name in plain}


def _cuts_later(deployed: Split, now: Split) -> bool:
    """Return whether both cut at dates, and the present one no earlier."""
    if (deployed.kind, now.kind) != ("temporal", "temporal"):
        return False
    cuts = (*deployed.temporal.cuts, *now.temporal.cuts)
    are_dates = all(isinstance(cut, int) for cut in cuts)
    return are_dates and now.temporal.cuts[0] >= deployed.temporal.cuts[0]
