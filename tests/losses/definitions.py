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
):
    """Return Σ_p w_p · (log Z_p - own_p).

    Temperature first, then log q, then hits are left out; with them left out the own
    item is added once, without it is one of the columns.
    """
    total = 0.0
    for row, query in enumerate(queries):
        own = query @ positives[row] / temperature - own_log_q[row]
        partition = exp(own) if mask_hits else 0.0
        for column, item in enumerate(ids):
            if not (mask_hits and item == labels[row]):
                logit = query @ columns[column] / temperature - log_q[column]
                partition += float(column_weights[column]) * exp(logit)
        if query_weights[row]:
            total += float(query_weights[row]) * (log(partition) - own)
    return total
