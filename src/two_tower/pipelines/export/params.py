"""Parameters of the export: how much is handled at a time."""

from pydantic import Field

from two_tower.params import PaddedBatches


class Export(PaddedBatches):
    """Sizes of the pieces that stream through the towers.

    No vector but the average query depends on them: how much of a history counts is up
    to the model.
    """

    items_per_piece: int = Field(ge=1)
    users_per_piece: int = Field(ge=1)
    average_users: int = Field(
        ge=1, description="users drawn at random, whose mean the average query is"
    )
    seed: int = Field(ge=0, description="of that draw")
