"""The leakage audit: does the training, or a query's history, hold a target?

Each check returns a table of violations, and passes if the table has no row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis.expr.types as ir

from two_tower.sequences.explicit_negatives import ExplicitNegatives
from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.splits import Split
from two_tower.sequences.times import has_times
from two_tower.types import JsonObject

from . import checks
from .rules import RULES, split_violations, wrong_explicit_negatives
from .tables import read_events

SHOWN_VIOLATIONS = 3


@dataclass(frozen=True)
class Check:
    """One check of the audit and its result."""

    name: str
    passed: bool
    detail: str


def run_audit(  # noqa: PLR0913
    tables: Mapping[str, ir.Table],
    *,
    selection: Selection,
    order: Order,
    split: Split,
    window: int,
    explicit_negatives: ExplicitNegatives,
    deployed_schema: JsonObject | None,
) -> list[Check]:
    """Run all checks on the outputs of one run.

    Args:
        tables: `interactions`, the outputs of sequencing, and the deployed vocabularies
            that they have grown from, by name.
        selection: which interactions must be kept.
        order: order of a user's interactions.
        split: how interactions must be held out.
        window: maximum pairs per training window.
        explicit_negatives: which ratings must be explicit negatives.
        deployed_schema: the feature schema that the features have grown from, if any.
    """
    rule = RULES[split.kind]
    timed = has_times(tables["interactions"])
    events = read_events(
        tables,
        selection,
        trains_on_histories=rule.trains_on_histories,
        timed=timed,
    )
    violations = {
        "nothing_is_empty": checks.empty_outputs(
            tables, holds_out=split.chosen.holds_out
        ),
        "histories_hold_each_interaction_once_in_order": checks.wrong_histories(
            events, handling=order.handling(timed=timed)
        ),
        "vocabularies_number_everything_once": checks.wrong_indices(tables),
        "examples_have_one_row_per_user": checks.unsound_examples(tables),
        "windows_are_full_except_the_oldest": checks.wrong_windows(
            tables["train_sequences"], window
        ),
        "windows_cover_each_training_pair_once": checks.wrong_pairs(events),
        "query_histories_are_the_whole_past": checks.wrong_queries(
            events,
            in_time=rule.in_time,
            test_has_validation=rule.test_has_validation,
        ),
        "targets_are_absent_from_training": checks.leaked_targets(events),
        f"{split.kind}_holds_out_what_it_promises": split_violations(
            events, tables, split
        ),
        "explicit_negatives_come_from_training_only": wrong_explicit_negatives(
            events, tables, explicit_negatives, split
        ),
        "counts_come_from_training_only": checks.wrong_counts(events, tables),
        "features_come_from_training_only": checks.wrong_features(
            tables, deployed_schema or {}
        ),
    }
    return [_check(name, rows) for name, rows in violations.items()]


def _check(name: str, violations: ir.Table) -> Check:
    n = int(violations.count().execute())
    if n == 0:
        return Check(name, passed=True, detail="no violation")
    shown = violations.limit(SHOWN_VIOLATIONS).to_pyarrow().to_pylist()
    return Check(name, passed=False, detail=f"{n} violations, such as {shown}")
