"""Outputs of sequencing for the audit, and how to corrupt them."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace

import ibis
import pyarrow as pa
import pytest

from tests.sequences.tables import sequence, some_interactions
from two_tower.pipelines.sequencing import audit as audit_package
from two_tower.pipelines.sequencing import nodes

KINDS = ("leave_one_out", "temporal", "random", "new_users", "new_items")
SHARES = {
    "temporal": {"validation": 0.5, "test": 0.7},
    "new_users": {"validation": 0.2, "test": 0.3, "given": 0.5},
    "new_items": {"validation": 0.2, "test": 0.3},
}
AUDITED = (
    "interactions",
    "histories",
    "item_vocabulary",
    "user_vocabulary",
    "feature_vocabulary",
    "item_features",
    "user_features",
    "train_sequences",
    "explicit_negatives",
    "validation_examples",
    "test_examples",
)


def make(kind, **settings):
    split = {"kind": kind, "seed": 1} | shares_of(kind)
    return sequence(some_interactions(), split=split, **settings)


def shares_of(kind):
    return {kind: SHARES[kind]} if kind in SHARES else {}


def audit(outputs):
    tables, params = outputs
    return nodes.audit_leakage(**params, **{name: tables[name] for name in AUDITED})


@contextmanager
def named(check):
    """Expect that the audit stops the run and names a check; run that check alone.

    Other tests run all checks on sound outputs. For one check the events are not
    computed beforehand.
    """
    wanted = check.partition(".*")[0]
    run_check = vars(audit_package)["_check"]

    def run_one(name, violations):
        if wanted in name:
            return run_check(name, violations)
        return audit_package.Check(name, passed=True, detail="not run")

    def not_computed(events):
        return events.cast({"position": "int64"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_package, "_check", run_one)
        patch.setattr(audit_package.tables, "_computed", not_computed)
        with pytest.raises(ValueError, match=f"the leakage audit failed.*{check}"):
            yield


def changed(outputs, name, change: Callable[[list[dict]], object]):
    """Return the outputs with the rows of one table changed in place by `change`."""
    tables, params = outputs
    return tables | {name: with_changed_rows(tables[name], change)}, params


def deployed_changed(outputs, name, change: Callable[[list[dict]], object]):
    """Return the outputs with one deployed vocabulary changed in place by `change`."""
    tables, params = outputs
    table = with_changed_rows(getattr(params["deployed"], name), change)
    return tables, params | {"deployed": replace(params["deployed"], **{name: table})}


def with_changed_rows(table, change):
    arrow = table.to_pyarrow()
    table_rows = arrow.to_pylist()
    change(table_rows)
    return ibis.memtable(pa.Table.from_pylist(table_rows, arrow.schema))


def with_params(outputs, **params):
    return outputs[0], outputs[1] | params


def first_with(rows, test):
    return next(row for row in rows if test(row))
