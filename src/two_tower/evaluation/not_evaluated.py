"""Outputs of the evaluation where nothing is held out: why there is no metric."""

from typing import Final

import ibis.expr.types as ir
import pyarrow as pa

from two_tower.types import JsonObject

REASON: Final = (
    "sequencing.split.kind is none, so that the model was trained on every interaction "
    "and none is left to evaluate it. Another kind of split gives metrics"
)

NO_ROWS: Final = pa.table(
    {"user": pa.array([], pa.int32()), "item": pa.array([], pa.int32())}
)
"""Ranks and exposure of no query."""


def holds_out_nothing(test_examples: ir.Table) -> bool:
    """Return whether there is no evaluation query, as without a split."""
    return not test_examples.count().to_pyarrow().as_py()


def no_metrics(dataset: str) -> JsonObject:
    """Return metrics that hold the `dataset` and why it is `not_evaluated`."""
    return {"dataset": dataset, "not_evaluated": REASON}


def format_no_report(metrics: JsonObject) -> str:
    """Return the report of `no_metrics` in Markdown."""
    return (
        f"# No evaluation on {metrics['dataset']}\n\n"
        f"Nothing was evaluated: {metrics['not_evaluated']}.\n"
    )
