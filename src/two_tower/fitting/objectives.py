"""Objectives: from towers and a batch to a loss."""

from typing import Protocol

from keras import ops

from two_tower.losses.softmax import softmax_cross_entropy
from two_tower.negatives.candidates import in_batch, whole_catalogue
from two_tower.towers.two_tower import TwoTower
from two_tower.types import FIRST_ID, Tensor


class Objective(Protocol):
    """What training minimises."""

    def __call__(
        self, towers: TwoTower, batch: dict[str, Tensor], *, training: bool
    ) -> Tensor:
        """Return the weighted sum of the batch's losses in nats, a float32 scalar.

        Args:
            towers: both towers.
            batch: as `collate` makes it.
            training: whether to drop.
        """


def full_softmax(
    towers: TwoTower,
    batch: dict[str, Tensor],
    *,
    temperature: float,
    chunk: int,
    training: bool,
) -> Tensor:
    """Tell each positive from the whole catalogue.

    The item tower runs once over the catalogue; histories look their items up in the
    outcome.
    """
    labels = batch["labels"]
    every_id = ops.arange(towers.item_tower.n_entities, dtype="int32")
    catalogue = towers.item_tower(every_id, training=training)
    queries = towers.queries(batch, catalogue=catalogue, training=training)
    candidates = towers.as_scored(catalogue)
    return softmax_cross_entropy(
        queries,
        ops.take(candidates, labels, axis=0),
        labels,
        batch["weights"],
        whole_catalogue(towers.item_tower.n_entities, labels),
        candidates[FIRST_ID:],
        temperature=temperature,
        mask_hits=False,
        chunk=chunk,
    )


def in_batch_softmax(  # noqa: PLR0913
    towers: TwoTower,
    batch: dict[str, Tensor],
    *,
    temperature: float,
    chunk: int,
    log_shares: Tensor,
    mask_hits: bool,
    training: bool,
) -> Tensor:
    """Tell each positive from the batch's other positives.

    The cost of a step does not depend on the catalogue's size.
    """
    labels, weights = batch["labels"], batch["weights"]
    queries = towers.queries(batch, training=training)
    positives = towers.as_scored(towers.item_tower(labels, training=training))
    return softmax_cross_entropy(
        queries,
        positives,
        labels,
        weights,
        in_batch(labels, weights, log_shares),
        positives,
        temperature=temperature,
        mask_hits=mask_hits,
        chunk=chunk,
    )
