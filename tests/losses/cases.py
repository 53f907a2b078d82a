"""Small batches of queries and columns, their loss, and its definition in float64."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import exp, log
from typing import Any, Self

import numpy as np

from tests.gradients import with_gradients
from two_tower.losses.softmax import Excluded, score_shared, softmax_cross_entropy
from two_tower.negatives.base import Candidates

PER_QUERY = ("queries", "positives", "labels", "query_weights", "own_log_q")
PER_COLUMN = ("columns", "ids", "column_weights", "log_q")
ALWAYS = (
    "queries",
    "positives",
    "columns",
    "labels",
    "ids",
    "query_weights",
    "column_weights",
    "log_q",
    "own_log_q",
)


@dataclass(frozen=True)
class Case:
    """Queries, and columns that all of them share."""

    queries: np.ndarray
    positives: np.ndarray
    columns: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    query_weights: np.ndarray
    column_weights: np.ndarray
    log_q: np.ndarray
    own_log_q: np.ndarray
    excluded: np.ndarray | None = None  # [rows, columns]
    rows: np.ndarray | None = None

    def arguments(self, temperature: float = 0.5) -> list[np.ndarray]:
        """Return the arguments of `loss_function`."""
        arrays = [getattr(self, name) for name in ALWAYS]
        optional = [] if self.excluded is None else [self.excluded, self.rows]
        return [*arrays, np.array(temperature, np.float32), *optional]

    def loss_and_gradients(
        self, *, mask_hits: bool, temperature: float = 0.5, chunk: int = 4
    ) -> tuple[float, list[np.ndarray]]:
        """Return the loss and its gradients in queries, positives and columns."""
        function = _loss_and_gradients(mask_hits=mask_hits, chunk=chunk)
        loss, gradients = function(*self.arguments(temperature))
        return float(loss), [np.asarray(gradient) for gradient in gradients]

    def loss(self, **options: Any) -> float:
        """Return the loss alone."""
        return self.loss_and_gradients(**options)[0]

    def take_queries(self, rows: Any) -> Self:
        """Return a copy with these queries, in this order."""
        taken = {name: getattr(self, name)[rows] for name in PER_QUERY}
        own_rows = None if self.rows is None else self.rows[rows]
        return replace(self, **taken, rows=own_rows)

    def take_columns(self, columns: Any) -> Self:
        """Return a copy with these columns, in this order."""
        taken = {name: getattr(self, name)[columns] for name in PER_COLUMN}
        excluded = None if self.excluded is None else self.excluded[:, columns]
        return replace(self, **taken, excluded=excluded)

    def excluding(self, excluded: np.ndarray, rows: np.ndarray | None = None) -> Self:
        """Return a copy without these columns; each query is a row unless given."""
        own = np.arange(len(self.queries)) if rows is None else rows
        return replace(self, excluded=excluded, rows=own.astype(np.int32))


@cache  # JAX compiles each function again
def _loss_and_gradients(**options: Any) -> Callable[..., Any]:
    return with_gradients(loss_function(**options), 3)


def loss_function(*, mask_hits: bool, chunk: int) -> Callable[..., Any]:
    """Return the loss as a function of a `Case`'s arguments."""

    def loss(  # noqa: PLR0913, PLR0917 (the fields of a case)
        queries: Any,
        positives: Any,
        columns: Any,
        labels: Any,
        ids: Any,
        query_weights: Any,
        column_weights: Any,
        log_q: Any,
        own_log_q: Any,
        temperature: Any,
        *excluded: Any,
    ) -> Any:
        logits = score_shared(
            queries,
            positives,
            labels,
            query_weights,
            columns,
            Candidates(ids, column_weights, log_q, own_log_q),
            temperature=temperature,
        )
        return softmax_cross_entropy(
            *logits,
            mask_hits=mask_hits,
            chunk=chunk,
            excluded=Excluded(*excluded) if excluded else None,
        )

    return loss


def any_case(seed: int = 0, *, n_queries: int = 8, n_columns: int = 7) -> Case:
    """Return queries whose own item is among the columns; items repeat in both."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(2, 6, n_columns).astype(np.int32)
    labels = rng.choice(ids, n_queries)
    of_item = unit(rng.normal(size=(6, 3))).astype(np.float32)
    log_q = np.log(rng.uniform(0.05, 1, 6)).astype(np.float32)
    return Case(
        queries=unit(rng.normal(size=(n_queries, 3))).astype(np.float32),
        positives=of_item[labels],
        columns=of_item[ids],
        labels=labels,
        ids=ids,
        query_weights=np.ones(n_queries, np.float32),
        column_weights=np.ones(n_columns, np.float32),
        log_q=log_q[ids],
        own_log_q=log_q[labels],
    )


def hand_case(  # noqa: PLR0913 (the fields of a case)
    queries: Any,
    columns: Any,
    *,
    labels: list[int],
    ids: list[int],
    positives: Any,
    q: list[float],
    own_q: list[float],
) -> Case:
    """Return a case of lists, all weights 1; `q` are probabilities, not logarithms."""
    return Case(
        queries=np.array(queries, np.float32),
        positives=np.array(positives, np.float32),
        columns=np.array(columns, np.float32),
        labels=np.array(labels, np.int32),
        ids=np.array(ids, np.int32),
        query_weights=np.ones(len(labels), np.float32),
        column_weights=np.ones(len(ids), np.float32),
        log_q=np.log(np.array(q, np.float32)),
        own_log_q=np.log(np.array(own_q, np.float32)),
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors divided by their lengths."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def cross_entropy(  # noqa: PLR0913 (the fields of a case)
    queries: Any,
    positives: Any,
    columns: Any,
    temperature: Any,
    *,
    labels: Any,
    ids: Any,
    query_weights: Any,
    column_weights: Any,
    log_q: Any,
    own_log_q: Any,
    mask_hits: bool,
    excluded: Any = None,
    rows: Any = None,
) -> float:
    """Return Σ_p w_p · (log Z_p - logit_p) by definition, a query at a time.

    Temperature first, then log q, then masks: accidental hits with `mask_hits`, and the
    excluded columns of the query's row. With hits masked the own item counts once
    beside the columns; otherwise it is one of them, and no exclusion masks it.
    """
    total = 0.0
    for row, query in enumerate(queries):
        own = query @ positives[row] / temperature - own_log_q[row]
        terms = [(1.0, own)] if mask_hits else []
        for column, item in enumerate(ids):
            is_own = item == labels[row]
            is_excluded = excluded is not None and excluded[rows[row], column]
            if not (mask_hits if is_own else is_excluded):
                logit = query @ columns[column] / temperature - log_q[column]
                terms.append((float(column_weights[column]), logit))
        if query_weights[row]:
            log_partition = log(sum(weight * exp(logit) for weight, logit in terms))
            total += float(query_weights[row]) * (log_partition - own)
    return total
