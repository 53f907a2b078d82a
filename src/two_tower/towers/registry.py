"""The history encoders that `training.history` offers."""

from typing import Any

from two_tower.params import OneOf
from two_tower.towers.multi_interest.history import MultiInterestHistory
from two_tower.towers.params import HistoryParams, MeanParams, NoHistory
from two_tower.towers.transformer.history import TransformerHistory


class History(OneOf[HistoryParams]):
    """Encoder of a user's history."""

    none: NoHistory = NoHistory()
    mean: MeanParams
    transformer: TransformerHistory
    multi_interest: MultiInterestHistory


def register_towers() -> None:
    """Register the classes of all towers with Keras, so that saved models load."""
    from two_tower.towers import two_tower  # noqa: F401 (importing registers)

    for kind in History.kinds():
        params: Any = History.model_fields[kind].annotation
        params.encoder_class()
