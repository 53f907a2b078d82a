"""Sampled softmax cross-entropy by its definition, a query at a time, in float64."""

from math import exp, log


def cross_entropy(  # noqa: PLR0913 (what the loss takes)
    queries,
    positives,
    columns,
    temperature,
    *,
    labels,
    ids,
    query_weights,
    column_weights,
    log_q,
    own_log_q,
    mask_hits,
    excluded=None,
    rows=None,
):
    """Return Σ_p w_p · (log Z_p - own_p).

    Temperature first, then log q, then hits and what is excluded for the query's row
    are left out; with hits left out the own item is added once, without it is one of
    the columns, which no exclusion touches.
    """
    total = 0.0
    for row, query in enumerate(queries):
        own = query @ positives[row] / temperature - own_log_q[row]
        partition = exp(own) if mask_hits else 0.0
        for column, item in enumerate(ids):
            is_own = item == labels[row]
            is_excluded = excluded is not None and excluded[rows[row], column]
            if not (mask_hits if is_own else is_excluded):
                logit = query @ columns[column] / temperature - log_q[column]
                partition += float(column_weights[column]) * exp(logit)
        if query_weights[row]:
            total += float(query_weights[row]) * (log(partition) - own)
    return total
