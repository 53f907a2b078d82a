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
    smoothing=0.0,
):
    """Return Σ_p w_p · Σ_i t_pi · (log Z_p - logit_pi).

    Temperature first, then log q, then hits and what is excluded for the query's row
    are left out; with hits left out the own item is added once, without it is one of
    the columns, which no exclusion touches. The target t_p is all of the own item, but
    for a share `smoothing` that all terms of Z_p have alike, by their weights.
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
            n_terms = sum(weight for weight, _ in terms)
            mean = sum(weight * logit for weight, logit in terms) / n_terms
            target = (1 - smoothing) * own + smoothing * mean
            total += float(query_weights[row]) * (log_partition - target)
    return total
