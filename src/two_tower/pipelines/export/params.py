"""Parameters of the export pipeline."""

from pydantic import Field

from two_tower.params import PaddedBatches


class Export(PaddedBatches):
    """Sizes of the chunks and batches that stream through the towers.

    Only the average query depends on them. The model says how much of a history it
    reads.
    """

    items_per_chunk: int = Field(ge=1, description="items encoded at a time")
    users_per_chunk: int = Field(ge=1, description="users encoded at a time")
    average_users: int = Field(
        ge=1, description="users sampled at random for the average query"
    )
    seed: int = Field(ge=0, description="of the sample of users")
