"""Softmax cross-entropy against the catalogue, or candidates of batch or query."""

from functools import partial
from typing import Any, ClassVar

from two_tower.training.objectives.base import ObjectiveContext, ObjectiveParams


class SoftmaxParams(ObjectiveParams):
    """Cross-entropy of each positive against all its candidates."""

    is_softmax: ClassVar[bool] = True

    def build(self, context: ObjectiveContext) -> Any:
        from two_tower.negatives.registry import CatalogueParams
        from two_tower.training.objectives.single_vector import (
            full_softmax,
            own_softmax,
            shared_softmax,
        )

        if isinstance(context.negatives, CatalogueParams):
            return partial(
                full_softmax, known=context.is_candidate, chunk=context.logits_chunk
            )
        if context.negatives.per_query:
            return own_softmax
        return partial(
            shared_softmax, mask_hits=context.mask_hits, chunk=context.logits_chunk
        )
