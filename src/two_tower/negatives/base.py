"""What every source of negatives takes and hands over."""

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.types import FIRST_ID, PADDING, FloatArray, IntArray, Tensor

# An item that training never saw has share 0; this keeps its logarithm finite.
SMALLEST_SHARE = 1e-8


State: TypeAlias = dict[str, npt.NDArray[Any]]


class Positives(NamedTuple):
    """The places of a batch: who did what.

    Attributes:
        users: `[P]` int32 dense user ids; `OUT_OF_VOCABULARY` or less where unknown.
        labels: `[P]` int32 dense item ids.
        weights: `[P]` float32; 0 for padding, which no source draws from.
    """

    users: IntArray
    labels: IntArray
    weights: FloatArray

    @property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """`[P]` bool, false for padding."""
        return self.weights > 0


class Candidates(NamedTuple):
    """The items that a batch of queries is told apart from.

    Shared by all queries (`[Q]`), or n for each query of its own (`[P, n]`).

    Attributes:
        ids: `[Q]` or `[P, n]` int32 dense item ids.
        weights: same shape, float32, how many negatives a column stands for; 0 leaves
            it out.
        log_q: same shape, float32, natural log of q, the number of times that the
            source is expected to draw the column's item; 0 where there is nothing to
            correct. Sources that draw the labels themselves leave out a factor that
            all q have in common, `own_log_q` included: a softmax does not see it.
        own_log_q: `[P]` float32, the same for each query's own item.
        own_column: `[P]` int32, a column that holds the query's own item (any, for
            padding), from sources that draw the labels themselves; otherwise None.
    """

    ids: Tensor
    weights: Tensor
    log_q: Tensor
    own_log_q: Tensor
    own_column: Tensor | None = None


def beside_the_positives(
    ids: npt.NDArray[np.integer],
    expected: float | npt.NDArray[np.floating],
    positives: Positives,
    *,
    log_q: bool,
    is_found: npt.ArrayLike = True,
) -> Candidates:
    """Return drawn ids as candidates of queries whose own items are there for sure.

    With q = 1 for the own item, the corrected sum of exponentials is an unbiased
    estimate of the sum over all items that can be drawn.

    Args:
        ids: `[Q]` or `[P, n]` int. Of the latter, those that are the query's own
            item get weight 0; those of padding become padding, of weight 0, so that
            batch norm does not see them.
        expected: of a shape that broadcasts to that of `ids`, how many times each id
            is expected among them; above 0.
        positives: `[P]`.
        log_q: whether to correct; without, all logs are 0.
        is_found: bool, broadcasts to `ids`, false where there was nothing to draw: the
            id becomes padding, of weight 0.
    """
    is_drawn = np.broadcast_to(is_found, ids.shape)
    if ids.ndim > 1:
        is_drawn = is_drawn & positives.is_real[:, None]
    ids = np.where(is_drawn, ids, PADDING).astype(np.int32)
    if ids.ndim > 1:
        is_drawn = is_drawn & (ids != positives.labels[:, None])
    logs = np.log(expected) if log_q else 0.0
    return Candidates(
        ids,
        is_drawn.astype(np.float32),
        np.broadcast_to(logs, ids.shape).astype(np.float32),
        np.zeros(len(positives.labels), np.float32),
    )


def whole_catalogue(known: npt.NDArray[np.bool_], labels: Tensor) -> Candidates:
    """Return every real item, once and for sure; runs in the graph.

    A column for each, so that vectors of all items need no gathering.

    Args:
        known: `[n_items]` bool by dense id, whether training knows the item; the others
            have weight 0. What it says of reserved ids does not matter.
        labels: `[P]` int32 dense ids of the positives.
    """
    from keras import ops  # here, for nothing else in the engine needs Keras

    ids = ops.arange(FIRST_ID, len(known), dtype="int32")
    weights = ops.convert_to_tensor(known[FIRST_ID:].astype(np.float32))
    own_certain = ops.zeros_like(labels, dtype="float32")
    return Candidates(ids, weights, ops.zeros_like(weights), own_certain)


def log_share_of_rows(counts: np.ndarray) -> FloatArray:
    """Return the natural log of each item's share of all training positives.

    Args:
        counts: `[n_items]` int, training positives of each dense id.

    Returns:
        `[n_items]` float32, from log 1e-8 for items without any up to 0.
    """
    shares = counts / max(int(counts.sum()), 1)
    return np.log(np.clip(shares, SMALLEST_SHARE, 1.0)).astype(np.float32)


class Source(Protocol):
    """Draws the candidates of each batch, on the host.

    A source that remembers earlier batches hands its memory over in `state`, so that a
    resumed training draws what the unbroken one would have drawn.
    """

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        """Return the candidates of a batch; sources with a memory remember it.

        Args:
            positives: `[P]`, the batch's places.
            rng: decides the draw.
        """

    def state(self) -> State:
        """Return copies of all that the source remembers."""
        return {}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        del state  # a source without a memory has nothing to go on from
