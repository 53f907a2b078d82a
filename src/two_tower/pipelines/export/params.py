"""Parameters of the export: how much is handled at a time."""

from pydantic import Field

from two_tower.params import PaddedBatches


class Export(PaddedBatches):
    """Sizes of the pieces that stream through the towers.

    No result depends on them: how much of a history counts is up to the model.
    """

    items_per_piece: int = Field(ge=1)
    users_per_piece: int = Field(ge=1)
