"""Softmax cross-entropy against the catalogue, or candidates of the batch or query."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from two_tower.negatives.base import whole_catalogue
from two_tower.negatives.registry import CatalogueParams
from two_tower.training.objectives.base import (
    Objective,
    ObjectiveContext,
    ObjectiveParams,
    TensorBatch,
)
from two_tower.types import FIRST_ID, Tensor

if TYPE_CHECKING:
    from two_tower.towers.two_tower import TwoTower


class SoftmaxParams(ObjectiveParams):
    """Cross-entropy of each positive against all its candidates."""

    is_softmax: ClassVar[bool] = True
    takes_catalogue: ClassVar[bool] = True
    takes_views: ClassVar[bool] = True
    takes_hits: ClassVar[bool] = True

    def build(self, context: ObjectiveContext) -> Objective:
        if isinstance(context.negatives, CatalogueParams):
            return FullSoftmax(context.is_candidate, context.logits_chunk)
        if context.negatives.per_query:
            return OwnSoftmax()
        return SharedSoftmax(mask_hits=context.mask_hits, chunk=context.logits_chunk)


@dataclass(frozen=True, eq=False)
class FullSoftmax(Objective):
    """Each positive against all items with training interactions.

    The item tower runs once over the catalogue, and so does a separate tower of
    histories; history items are looked up in the result. Items without interactions
    have weight 0: as mere negatives they would learn low scores whatever their
    features.

    Attributes:
        is_candidate: `[n_items]` bool, items with training interactions.
        chunk: queries whose logits exist at one time.
    """

    is_candidate: npt.NDArray[np.bool_]
    chunk: int

    def __call__(
        self,
        towers: "TwoTower",
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        from keras import ops

        from two_tower.losses.softmax import score_shared, softmax_cross_entropy
        from two_tower.training.objectives.scoring import excluded_columns

        labels = batch["labels"]
        candidates, history_items = self._embed(towers, training=training)
        queries = towers.queries(batch, catalogue=history_items, training=training)
        scored = towers.as_scored(candidates)
        logits = score_shared(
            queries,
            ops.take(scored, labels, axis=0),
            labels,
            batch["weights"],
            scored[FIRST_ID:],
            whole_catalogue(self.is_candidate, labels),
            temperature=temperature,
        )
        loss = softmax_cross_entropy(
            *logits,
            mask_hits=False,
            chunk=self.chunk,
            excluded=excluded_columns(batch),
        )
        return loss, {}

    def _embed(self, towers: "TwoTower", *, training: bool) -> tuple[Tensor, Tensor]:
        """Return `[n_items, D]` vectors of all items: candidates, history items."""
        from keras import ops

        every_id = ops.arange(towers.item_tower.n_entities, dtype="int32")
        # Batch norm's statistics leave items without interactions out, too.
        weights = ops.convert_to_tensor(self.is_candidate.astype(np.float32))
        items = towers.item_tower(every_id, training=training, weights=weights)
        separate = towers.history_item_tower
        if separate is None:
            return items, items
        return items, separate(every_id, training=training, weights=weights)


@dataclass(frozen=True)
class SharedSoftmax(Objective):
    """Each positive against candidates that the batch shares.

    The cost of a step does not depend on the size of the catalogue.

    Attributes:
        mask_hits: whether accidental hits are masked.
        chunk: queries whose logits exist at one time.
    """

    mask_hits: bool
    chunk: int

    def __call__(
        self,
        towers: "TwoTower",
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        from two_tower.losses.softmax import score_shared, softmax_cross_entropy
        from two_tower.training.objectives.scoring import (
            batch_candidates,
            embed_candidates,
            excluded_columns,
        )

        queries = towers.queries(batch, training=training)
        positives, vectors = embed_candidates(towers, batch, training=training)
        logits = score_shared(
            queries,
            positives,
            batch["labels"],
            batch["weights"],
            vectors,
            batch_candidates(batch),
            temperature=temperature,
        )
        loss = softmax_cross_entropy(
            *logits,
            mask_hits=self.mask_hits,
            chunk=self.chunk,
            excluded=excluded_columns(batch),
        )
        return loss, {}


class OwnSoftmax(Objective):
    """Each positive against candidates of its own, accidental hits masked."""

    def __call__(
        self,
        towers: "TwoTower",
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        from keras import ops

        from two_tower.losses.logits import candidate_bias, candidate_logits, correct
        from two_tower.losses.sampled_softmax import sampled_softmax_cross_entropy
        from two_tower.training.objectives.scoring import score_pairs

        scores = score_pairs(towers, batch, temperature=temperature, training=training)
        bias = candidate_bias(scores.weights, batch["candidate_log_q"])
        losses = sampled_softmax_cross_entropy(
            correct(scores.positive, batch["own_log_q"]),
            candidate_logits(scores.negative, bias, None),
        )
        return ops.sum(losses * batch["weights"]), {}
