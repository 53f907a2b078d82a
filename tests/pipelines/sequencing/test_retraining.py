"""Retraining must not hold out what the deployed towers were trained on."""

import ibis
import pytest

from tests.sequences.tables import parameters, some_interactions
from two_tower.pipelines.sequencing.nodes import keep_interactions
from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.splits import Split
from two_tower.sequences.vocabularies import DeployedVocabularies

DATED = {"validation": "2001-05-01", "test": "2001-06-01"}


def rules(**changes):
    """Return selection, order and split, some keys of each changed."""
    base = parameters()
    return {
        "selected": Selection(**base["selection"] | changes.get("selection", {})),
        "order": Order(**base["order"] | changes.get("order", {})),
        "split": Split(**base["split"] | changes.get("split", {})),
    }


def deployed(**changes):
    """Return the rules as a query tower holds them."""
    names = {"selected": "selection", "order": "order", "split": "split"}
    return {
        f"sequencing.{names[name]}": one.model_dump(mode="json")
        for name, one in rules(**changes).items()
    }


def keep(before, now):
    vocabularies = DeployedVocabularies(*[None] * 4, rules=deployed(**before))
    return keep_interactions(some_interactions(), **rules(**now), deployed=vocabularies)


def temporal(**cuts):
    return {"split": {"kind": "temporal", "temporal": DATED | cuts}}


# covers: L28
@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {}),
        ({}, {"split": {"random": {"validation": 0.3, "test": 0.3}}}),
        (temporal(), temporal()),
        (temporal(), temporal(validation="2001-05-20")),
    ],
)
def test_the_deployed_rules_or_later_cut_offs_are_allowed(before, now):
    assert isinstance(keep(before, now), ibis.Table)


# covers: L28 X7
@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        ({}, {"selection": {"min_rating": 4.0}}, "sequencing.selection was"),
        ({}, {"order": {"ties": "shuffled"}}, "sequencing.order was"),
        ({}, temporal(), "sequencing.split was .'kind': 'leave_one_out'"),
        (temporal(), temporal(validation="2001-04-30"), "sequencing.split was"),
        (temporal(), {"split": {"kind": "temporal"}}, "sequencing.split was"),
    ],
)
def test_other_rules_are_refused_by_name(before, now, named):
    with pytest.raises(
        ValueError, match=f"under other rules.*{named}.*train a new model"
    ):
        keep(before, now)


# covers: L28 X7
@pytest.mark.parametrize("kind", ["random", "new_users", "new_items"])
def test_random_splits_are_refused(kind):
    split = {"split": {"kind": kind}}
    with pytest.raises(ValueError, match=f"'{kind}', a random split, which changes"):
        keep(split, split)
