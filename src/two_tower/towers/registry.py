"""The history encoders that `training.history` offers."""

from two_tower.params import OneOf
from two_tower.towers.multi_interest.params import MultiInterestParams
from two_tower.towers.params import HistoryParams, MeanParams, NoHistory
from two_tower.towers.transformer.params import TransformerParams


class History(OneOf[HistoryParams]):
    """What reads a user's history."""

    none: NoHistory = NoHistory()
    mean: MeanParams
    transformer: TransformerParams
    multi_interest: MultiInterestParams
