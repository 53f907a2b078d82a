"""What an objective is, and how it is built from its parameters."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.negatives.base import SourceParams
from two_tower.params import Params
from two_tower.types import Tensor

if TYPE_CHECKING:
    from two_tower.towers.two_tower import TwoTower
    from two_tower.training.metrics import Metric

TensorBatch: TypeAlias = dict[str, Tensor]
"""A `Batch` as tensors."""


class Objective(ABC):
    """What training minimises; a subclass holds its options."""

    def metrics(self, towers: "TwoTower") -> "Sequence[Metric]":
        """Return the metrics beside the loss, each name once; none unless overridden.

        Args:
            towers: both towers.
        """
        del towers
        return ()

    @abstractmethod
    def __call__(
        self,
        towers: "TwoTower",
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and metrics of a batch.

        Args:
            towers: both towers.
            batch: as `Batch` describes it.
            temperature: divides the scores; above 0.
            training: whether dropout is applied.

        Returns:
            The weighted sum of the queries' losses, a float32 scalar; the value of each
            of `metrics`, by name.
        """


@dataclass(frozen=True, eq=False)
class ObjectiveContext:
    """What an objective is built for.

    Attributes:
        negatives: options of the chosen source of negatives.
        is_candidate: `[n_items]` bool, items with training interactions.
        mask_hits: whether accidental hits are masked.
        logits_chunk: queries whose logits exist at one time.
    """

    negatives: SourceParams
    is_candidate: npt.NDArray[np.bool_]
    mask_hits: bool
    logits_chunk: int


class ObjectiveParams(Params, ABC):
    """Options of an objective, and how it is built.

    Attributes:
        is_softmax: whether it is a softmax over candidates, which log q can correct.
        takes_catalogue: whether it takes the whole catalogue as candidates.
        takes_views: whether self-supervision can be added to it.
        takes_hits: whether a candidate may be the query's own positive, unmasked.
    """

    is_softmax: ClassVar[bool] = False
    takes_catalogue: ClassVar[bool] = False
    takes_views: ClassVar[bool] = False
    takes_hits: ClassVar[bool] = False

    @abstractmethod
    def build(self, context: ObjectiveContext) -> Objective:
        """Return the objective."""
