"""Softmax cross-entropy against any set of candidates, in bounded memory."""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from two_tower.negatives.base import Candidates
from two_tower.types import MASKED_LOGIT, Tensor

SMALLEST_WEIGHT = 1e-30


class Excluded(NamedTuple):
    """Candidates that are no negatives of a query: its user's other positives.

    Attributes:
        columns: `[R, Q]` bool, True where column q is left out for row r.
        rows: `[P]` int32, the row of each query.
    """

    columns: Tensor
    rows: Tensor


def softmax_cross_entropy(  # noqa: PLR0913
    queries: Tensor,
    positives: Tensor,
    labels: Tensor,
    weights: Tensor,
    candidates: Candidates,
    vectors: Tensor,
    *,
    temperature: float | Tensor,
    mask_hits: bool,
    chunk: int,
    excluded: Excluded | None = None,
    smoothing: float = 0.0,
) -> Tensor:
    """Return the weighted sum of each positive's cross-entropy against candidates.

    In this order: the score is divided by the temperature, log q is subtracted, and
    what is no negative is masked (probability exactly 0). Masked are, with
    `mask_hits`, the columns of the query's own item (accidental hits), which then
    stands in the softmax once; and the columns that `excluded` names, but never the
    own item. Without `mask_hits` the own item must be among the candidates, and stands
    there as often as it is drawn.

    With `smoothing` ε the target is (1 - ε) · the own item + ε · an equal share of all
    that is in the softmax: of the columns that no mask takes out, by their weights,
    and, with `mask_hits`, of the own item.

    Args:
        queries: `[P, D]` float, unit vectors; P a multiple of `chunk`.
        positives: `[P, D]` float, unit vectors of the labels.
        labels: `[P]` int32 dense item ids.
        weights: `[P]` float32, 0 for padding. Chunks behind the last position of a
            weight above 0 cost nothing.
        candidates: Q columns.
        vectors: `[Q, D]` float, unit vectors of the columns.
        temperature: divides the cosines; above 0.
        mask_hits: whether columns equal to a query's label are left out.
        chunk: queries whose logits exist at one time: memory is `chunk` · Q floats,
            whatever P.
        excluded: what else is left out, or None for nothing.
        smoothing: ε in [0, 1). Nothing at 0, and little where nothing is masked.

    Returns:
        A float32 scalar in nats: reduced here, not by the caller, because the gradient
        is made in the same pass as the loss and needs the weights.

    Raises:
        ValueError: if P is known and no multiple of `chunk`.

    References:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations, RecSys 2019, section 3. Szegedy et al., Rethinking the
        Inception Architecture for Computer Vision, CVPR 2016, section 7, for ε.
    """
    n_positions = queries.shape[0]
    if n_positions is not None and n_positions % chunk:
        raise ValueError(
            f"{n_positions} positions are no multiple of the chunk, {chunk}; "
            "pad them with positions of weight 0"
        )
    queries, positives, vectors = (
        ops.cast(tensor, "float32") for tensor in (queries, positives, vectors)
    )
    # A column of weight w is w columns: exp(logit + log w) = w · exp(logit).
    log_weights = ops.log(ops.maximum(candidates.weights, SMALLEST_WEIGHT))
    bias = ops.where(
        candidates.weights > 0, log_weights - candidates.log_q, MASKED_LOGIT
    )
    scaled = queries / temperature
    own = ops.sum(scaled * positives, axis=-1) - candidates.own_log_q
    has_masks = mask_hits or excluded is not None
    if smoothing and not has_masks:
        mean = _mean_logits(scaled, vectors, candidates)
        own = (1 - smoothing) * own + smoothing * mean
    run = _chunked(
        mask_hits=mask_hits, chunk=chunk, smoothing=smoothing if has_masks else 0.0
    )
    return run(
        scaled,
        vectors,
        own,
        bias,
        weights,
        labels,
        candidates.ids,
        candidates.weights,
        *(excluded or ()),
    )


def _mean_logits(scaled: Tensor, vectors: Tensor, candidates: Candidates) -> Tensor:
    """Return each query's mean logit, `[P]`, over all columns by their weights.

    The mean of products is the product with the mean: no logit is made for it.
    """
    total = ops.maximum(ops.sum(candidates.weights), SMALLEST_WEIGHT)
    shares = candidates.weights / total
    mean_vector = ops.matmul(ops.expand_dims(shares, 0), vectors)
    return ops.sum(scaled * mean_vector, axis=-1) - ops.sum(shares * candidates.log_q)


def _chunked(*, mask_hits: bool, chunk: int, smoothing: float) -> Callable[..., Tensor]:
    """Return the loss as a function of tensors, with a gradient of its own.

    The gradient of the logits is the softmax itself, less the smoothed target, so each
    chunk's share of every gradient is made while its logits exist, and nothing of size
    [P, Q] ever does.
    """

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def total(  # noqa: PLR0913, PLR0917 (a custom gradient takes its tensors so)
        scaled: Tensor,
        vectors: Tensor,
        own: Tensor,
        bias: Tensor,
        weights: Tensor,
        labels: Tensor,
        ids: Tensor,
        column_weights: Tensor,
        *excluded: Tensor,
    ) -> tuple[Tensor, Callable[..., tuple[Tensor | None, ...]]]:
        place = ops.arange(1, ops.shape(weights)[0] + 1, dtype="int32")
        end = ops.max(ops.where(weights > 0, place, 0))
        dimension = scaled.shape[-1]
        transposed = ops.transpose(vectors)
        log_weights = ops.log(ops.maximum(column_weights, SMALLEST_WEIGHT))

        def step(
            start: Tensor,
            loss: Tensor,
            to_scaled: Tensor,
            to_columns: Tensor,
            to_own: Tensor,
        ) -> tuple[Tensor, ...]:
            part = ops.slice(scaled, (start, 0), (chunk, dimension))
            part_own = ops.slice(own, (start,), (chunk,))
            part_weights = ops.slice(weights, (start,), (chunk,))
            logits = ops.matmul(part, transposed) + bias
            if mask_hits or excluded:
                part_labels = ops.slice(labels, (start,), (chunk,))
                left_out = ops.equal(ops.expand_dims(part_labels, 1), ids)
                if excluded:
                    columns, rows = excluded
                    part_rows = ops.slice(rows, (start,), (chunk,))
                    part_columns = ops.take(columns, part_rows, axis=0)
                    left_out = _no_negatives(
                        left_out, part_columns, mask_hits=mask_hits
                    )
                logits = ops.where(left_out, MASKED_LOGIT, logits)
            # The largest term is exp(0), so the partition is 1 at least: even for
            # padding, whose own item is in no column.
            top = ops.max(logits, axis=-1)
            if mask_hits:
                top = ops.maximum(top, part_own)
            exponentials = ops.exp(logits - ops.expand_dims(top, 1))
            own_exponential = ops.exp(part_own - top) if mask_hits else 0.0
            partition = ops.sum(exponentials, axis=-1) + own_exponential
            losses = top + ops.log(partition) - part_own
            per_unit = part_weights / partition
            # Shares are in units of each row's `per_unit`: rows of D numbers are scaled
            # in the place of rows of Q.
            share = exponentials
            own_share = own_exponential * per_unit
            if smoothing:
                kept = ops.where(left_out, 0.0, column_weights)
                n_kept = ops.sum(kept, axis=-1) + mask_hits
                n_kept = ops.maximum(n_kept, SMALLEST_WEIGHT)
                of_kept = ops.sum(kept * (logits - log_weights), axis=-1)
                mean = (of_kept + mask_hits * part_own) / n_kept
                losses = losses + smoothing * (part_own - mean)
                per_kept = smoothing * partition / n_kept
                share = share - kept * ops.expand_dims(per_kept, 1)
                own_share = own_share + smoothing * part_weights
                own_share = own_share - mask_hits * per_kept * per_unit
            units = ops.expand_dims(per_unit, 1)
            return (
                start + chunk,
                loss + ops.sum(losses * part_weights),
                ops.slice_update(
                    to_scaled, (start, 0), ops.matmul(share, vectors) * units
                ),
                # [D, Q]: processors multiply this way round faster.
                to_columns + ops.matmul(ops.transpose(part * units), share),
                ops.slice_update(to_own, (start,), own_share - part_weights),
            )

        _, loss, to_scaled, to_columns, to_own = ops.while_loop(
            lambda start, *_: start < end,
            step,
            (
                0,
                ops.zeros((), "float32"),
                ops.zeros_like(scaled),
                ops.zeros_like(transposed),
                ops.zeros_like(own),
            ),
        )

        def gradient(*args: Any, upstream: Any = None) -> tuple[Tensor | None, ...]:
            up = args[0] if upstream is None else upstream
            return (
                up * to_scaled,
                up * ops.transpose(to_columns),
                up * to_own,
                ops.zeros_like(bias),
                ops.zeros_like(weights),
                None,
                None,
                ops.zeros_like(column_weights),
                *(None for _ in excluded),
            )

        return loss, gradient

    run: Callable[..., Tensor] = total
    return run


def _no_negatives(is_own: Tensor, is_excluded: Tensor, *, mask_hits: bool) -> Tensor:
    """Return what is masked: the own item is if hits are, whatever is excluded."""
    if mask_hits:
        return ops.logical_or(is_own, is_excluded)
    return ops.logical_and(is_excluded, ops.logical_not(is_own))
