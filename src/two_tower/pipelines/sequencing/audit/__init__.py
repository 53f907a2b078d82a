"""The leakage audit: could training, or a query, know what it is asked for?

Each question is a table of violations; the check passes when it has no row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis.expr.types as ir

from two_tower.pipelines.sequencing.params import (
    ExplicitNegatives,
    Order,
    Selection,
    Split,
)
from two_tower.types import JsonObject

from . import checks
from .rules import violations_of_split, wrong_explicit_negatives
from .tables import gather_evidence

SHOWN_VIOLATIONS = 3


@dataclass(frozen=True)
class Check:
    """One question of the audit and its answer."""

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
    """Answer all questions on the outputs of one run.

    Args:
        tables: `interactions` and the outputs of sequencing, by name, and what the
            vocabularies have grown from.
        selection: which interactions ought to be kept.
        order: what ought to come first within a second.
        split: how interactions ought to be held out.
        window: most pairs that a training window may hold.
        explicit_negatives: which ratings ought to be collected as explicit_negatives.
        deployed_schema: the schema that the features have grown from, if any.
    """
    evidence = gather_evidence(
        tables, selection, trains_on_queries=split.kind != "new_users"
    )
    questions = {
        "nothing_is_empty": checks.empty_outputs(tables),
        "histories_hold_each_interaction_once_in_order": checks.wrong_histories(
            evidence, ties=order.ties
        ),
        "vocabularies_number_everything_once": checks.wrong_ids(tables),
        "examples_have_one_row_per_user": checks.unsound_examples(tables),
        "windows_are_full_but_the_oldest": checks.wrong_windows(
            tables["train_sequences"], window
        ),
        "windows_cover_each_training_pair_once": checks.wrong_pairs(evidence),
        "queries_know_the_past_and_all_of_it": checks.wrong_queries(
            evidence,
            in_time=split.kind not in {"random", "new_items"},
            test_knows_validation=split.kind != "new_items",
        ),
        "targets_are_absent_from_training": checks.leaked_targets(evidence),
        f"{split.kind}_holds_out_what_it_says": violations_of_split(
            evidence, tables, split
        ),
        "disliked_items_come_from_training_only": wrong_explicit_negatives(
            evidence, tables, explicit_negatives, split
        ),
        "counts_come_from_training_only": checks.wrong_counts(evidence, tables),
        "features_come_from_training_only": checks.wrong_features(
            tables, deployed_schema or {}
        ),
    }
    return [_answer(name, violations) for name, violations in questions.items()]


def _answer(name: str, violations: ir.Table) -> Check:
    n = int(violations.count().execute())
    if n == 0:
        return Check(name, passed=True, detail="no violation")
    shown = violations.limit(SHOWN_VIOLATIONS).to_pyarrow().to_pylist()
    return Check(name, passed=False, detail=f"{n} violations, such as {shown}")
