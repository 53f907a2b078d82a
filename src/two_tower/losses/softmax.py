"""Softmax cross-entropy against candidates that all queries share, in bounded memory.

The gradient of a logit is its softmax, so loss and gradients are made together, a
chunk of queries at a time; no tensor of all queries and candidates ever exists.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from two_tower.losses.logits import (
    candidate_bias,
    candidate_logits,
    correct,
    find_masked,
    scale,
)
from two_tower.negatives.base import Candidates
from two_tower.types import Tensor


class Queries(NamedTuple):
    """Queries with their positives.

    Attributes:
        vectors: `[P, D]` float32, over the temperature.
        positive: `[P]` float32, logits of the positives.
        labels: `[P]` int32 item indices of the positives.
        weights: `[P]` float32, 0 for padding.
    """

    vectors: Tensor
    positive: Tensor
    labels: Tensor
    weights: Tensor


class Columns(NamedTuple):
    """Candidates of all queries.

    Attributes:
        vectors: `[Q, D]` float32.
        bias: `[Q]` float32, from `candidate_bias`.
        ids: `[Q]` int32 item indices.
    """

    vectors: Tensor
    bias: Tensor
    ids: Tensor


class Excluded(NamedTuple):
    """Masked candidates of a query: its user's other positives.

    Attributes:
        columns: `[R, Q]` bool, True where column q is masked for row r.
        rows: `[P]` int32, the row of each query.
    """

    columns: Tensor
    rows: Tensor


class ChunkSoftmax(NamedTuple):
    """Softmax of the C queries of a chunk.

    Attributes:
        losses: `[C]` float32, cross-entropies in nats.
        exponentials: `[C, Q]` float32, exp(logit - greatest logit).
        own_exponential: `[C]` float32, that of a positive outside the columns; else 0.
        partition: `[C]` float32, the sum of all of them, 1 or more.
    """

    losses: Tensor
    exponentials: Tensor
    own_exponential: Tensor | float
    partition: Tensor


def score_shared(  # noqa: PLR0913 (both sides of the scores, and the candidates)
    queries: Tensor,
    positives: Tensor,
    labels: Tensor,
    weights: Tensor,
    vectors: Tensor,
    candidates: Candidates,
    *,
    temperature: float | Tensor,
) -> tuple[Queries, Columns]:
    """Return queries and columns whose products and biases are the logits.

    Args:
        queries: `[P, D]` float.
        positives: `[P, D]` float, vectors of the positives.
        labels: `[P]` int32 item indices of the positives.
        weights: `[P]` float32, 0 for padding.
        vectors: `[Q, D]` float, vectors of the candidates.
        candidates: Q of them, shared by all queries.
        temperature: divides the scores; above 0.
    """
    scaled = scale(queries, temperature)
    own_scores = ops.sum(scaled * ops.cast(positives, "float32"), axis=-1)
    bias = candidate_bias(candidates.weights, candidates.log_q)
    return (
        Queries(scaled, correct(own_scores, candidates.own_log_q), labels, weights),
        Columns(ops.cast(vectors, "float32"), bias, candidates.ids),
    )


def softmax_cross_entropy(
    queries: Queries,
    columns: Columns,
    *,
    mask_hits: bool,
    chunk: int,
    excluded: Excluded | None = None,
) -> Tensor:
    """Return the weighted sum of each positive's cross-entropy against all columns.

    Args:
        queries: P queries, a multiple of `chunk`. Chunks after the last weight above 0
            cost nothing.
        columns: Q candidates.
        mask_hits: whether columns of a query's own positive are masked; the positive
            then counts once, beside the columns. Otherwise it must be one of them, and
            counts as often as it is there.
        chunk: queries whose logits exist at one time: memory is `chunk` · Q floats.
        excluded: further columns to mask, never the query's own positive; None for
            none.

    Returns:
        A float32 scalar in nats: reduced here, not by the caller, because the gradient
        is made in the same pass as the loss and needs the weights.

    Raises:
        ValueError: if P is known and no multiple of `chunk`.
    """
    n_queries = queries.vectors.shape[0]
    if n_queries is not None and n_queries % chunk:
        raise ValueError(
            f"{n_queries} queries are not a multiple of the chunk, {chunk}; "
            "pad them with queries of weight 0"
        )
    run = _in_chunks(mask_hits=mask_hits, chunk=chunk)
    return run(*queries, *columns, *(excluded or ()))


def _in_chunks(*, mask_hits: bool, chunk: int) -> Callable[..., Tensor]:
    """Return the loss as a function of tensors, with a gradient of its own."""

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def total(  # noqa: PLR0913, PLR0917 (a custom gradient takes its tensors so)
        vectors: Tensor,
        positive: Tensor,
        labels: Tensor,
        weights: Tensor,
        column_vectors: Tensor,
        bias: Tensor,
        ids: Tensor,
        *excluded: Tensor,
    ) -> tuple[Tensor, Callable[..., tuple[Tensor | None, ...]]]:
        queries = Queries(vectors, positive, labels, weights)
        columns = Columns(ops.transpose(column_vectors), bias, ids)
        end = _end_of_real(weights)

        def step(
            start: Tensor,
            loss: Tensor,
            to_queries: Tensor,
            to_columns: Tensor,
            to_positive: Tensor,
        ) -> tuple[Tensor, ...]:
            part = Queries(*(_slice(tensor, start, chunk) for tensor in queries))
            out = _slice_excluded(excluded, start, chunk)
            logits = logits_of_chunk(part, columns, out, mask_hits=mask_hits)
            softmax = loss_of_chunk(logits, part.positive, mask_hits=mask_hits)
            of_part = gradients_of_chunk(softmax, part, column_vectors)
            return (
                start + chunk,
                loss + ops.sum(softmax.losses * part.weights),
                ops.slice_update(to_queries, (start, 0), of_part[0]),
                to_columns + of_part[1],
                ops.slice_update(to_positive, (start,), of_part[2]),
            )

        _, loss, to_queries, to_columns, to_positive = ops.while_loop(
            lambda start, *_: start < end,
            step,
            (
                0,
                ops.zeros((), "float32"),
                ops.zeros_like(vectors),
                ops.zeros_like(columns.vectors),
                ops.zeros_like(positive),
            ),
        )

        def gradient(*args: Any, upstream: Any = None) -> tuple[Tensor | None, ...]:
            up = args[0] if upstream is None else upstream
            of_queries = (up * to_queries, up * to_positive, None)
            of_columns = (up * ops.transpose(to_columns), ops.zeros_like(bias), None)
            none = (None for _ in excluded)
            return (*of_queries, ops.zeros_like(weights), *of_columns, *none)

        return loss, gradient

    run: Callable[..., Tensor] = total
    return run


def logits_of_chunk(
    queries: Queries, columns: Columns, excluded: Tensor | None, *, mask_hits: bool
) -> Tensor:
    """Return the `[C, Q]` logits of a chunk's queries and all columns.

    Args:
        queries: C queries.
        columns: Q candidates, with vectors `[D, Q]`.
        excluded: `[C, Q]` bool, further columns to mask, or None.
        mask_hits: whether columns of a query's own positive are masked.
    """
    products = ops.matmul(queries.vectors, columns.vectors)
    masked = find_masked(queries.labels, columns.ids, excluded, mask_hits=mask_hits)
    return candidate_logits(products, columns.bias, masked)


def loss_of_chunk(logits: Tensor, positive: Tensor, *, mask_hits: bool) -> ChunkSoftmax:
    """Return the cross-entropies of a chunk, and what their gradients are made of.

    Args:
        logits: `[C, Q]` float32, of the columns.
        positive: `[C]` float32, of the positives.
        mask_hits: whether the positive counts beside the columns.
    """
    # The largest term is exp(0), so the partition is 1 at least: even for padding,
    # whose own item is in no column.
    top = ops.max(logits, axis=-1)
    if mask_hits:
        top = ops.maximum(top, positive)
    exponentials = ops.exp(logits - ops.expand_dims(top, 1))
    own_exponential = ops.exp(positive - top) if mask_hits else 0.0
    partition = ops.sum(exponentials, axis=-1) + own_exponential
    losses = top + ops.log(partition) - positive
    return ChunkSoftmax(losses, exponentials, own_exponential, partition)


def gradients_of_chunk(
    softmax: ChunkSoftmax, queries: Queries, vectors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of a chunk's weighted loss.

    The partition divides rows of D numbers, not the rows of Q that would be the
    softmax.

    Args:
        softmax: from `loss_of_chunk`.
        queries: C queries.
        vectors: `[Q, D]` float32, of the columns.

    Returns:
        In the queries, `[C, D]`; in the columns' vectors, `[D, Q]`, since processors
        multiply this way round faster; in the positives' logits, `[C]`.
    """
    per_unit = queries.weights / softmax.partition
    units = ops.expand_dims(per_unit, 1)
    return (
        ops.matmul(softmax.exponentials, vectors) * units,
        ops.matmul(ops.transpose(queries.vectors * units), softmax.exponentials),
        softmax.own_exponential * per_unit - queries.weights,
    )


def _end_of_real(weights: Tensor) -> Tensor:
    """Return how many queries there are up to the last weight above 0, an int32."""
    number = ops.arange(1, ops.shape(weights)[0] + 1, dtype="int32")
    return ops.max(ops.where(weights > 0, number, 0))


def _slice(tensor: Tensor, start: Tensor, size: int) -> Tensor:
    """Return rows `start` to `start + size` of a `[P]` or `[P, D]` tensor."""
    if len(tensor.shape) == 1:
        return ops.slice(tensor, (start,), (size,))
    return ops.slice(tensor, (start, 0), (size, tensor.shape[1]))


def _slice_excluded(
    excluded: tuple[Tensor, ...], start: Tensor, size: int
) -> Tensor | None:
    """Return a chunk's `[C, Q]` bool of excluded columns, or None for none."""
    if not excluded:
        return None
    columns, rows = excluded
    return ops.take(columns, _slice(rows, start, size), axis=0)
