"""The sources of negatives that `training.negatives` offers."""

from typing import ClassVar

from two_tower.negatives.base import NegativeData, SourceParams
from two_tower.negatives.in_batch import InBatchParams
from two_tower.negatives.log_q import Frequencies
from two_tower.negatives.low_rated import LowRatedParams
from two_tower.negatives.mixed import MixedParams
from two_tower.negatives.popular import PopularParams
from two_tower.negatives.queue import QueueParams
from two_tower.negatives.unconsumed import UnconsumedParams
from two_tower.negatives.uniform import UniformParams
from two_tower.params import OneOf


class CatalogueParams(SourceParams):
    """The whole catalogue, which needs no sampling."""

    contains_positives: ClassVar[bool] = True

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> None:
        del data, frequencies


class Negatives(OneOf[SourceParams]):
    """Where negatives come from."""

    catalogue: CatalogueParams = CatalogueParams()
    in_batch: InBatchParams
    uniform: UniformParams
    popular: PopularParams
    unconsumed: UnconsumedParams
    low_rated: LowRatedParams
    queue: QueueParams
    mixed: MixedParams
