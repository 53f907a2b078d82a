"""What every objective is: from towers and a batch to a loss and metrics."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from two_tower.negatives.base import SourceParams
from two_tower.params import Params


@dataclass(frozen=True, eq=False)
class ObjectiveContext:
    """What an objective is built for.

    Attributes:
        negatives: options of the chosen source of negatives.
        is_candidate: `[n_items]` bool, items seen in training.
        mask_hits: whether accidental hits are masked.
        logits_chunk: queries whose logits exist at one time.
    """

    negatives: SourceParams
    is_candidate: npt.NDArray[np.bool_]
    mask_hits: bool
    logits_chunk: int


class ObjectiveParams(Params):
    """Options of an objective, and how it is built.

    Attributes:
        is_softmax: whether it is a softmax over candidates, which log q can correct.
    """

    is_softmax: ClassVar[bool] = False

    def build(self, context: ObjectiveContext) -> Any:
        """Return the objective, a function of towers and a batch."""
        raise NotImplementedError
