"""Parameters of the export pipeline."""

from pydantic import Field

from two_tower.params import PaddedBatches, Params, Rows


class QueryTowerParams(PaddedBatches):
    """Batches of the query tower, and the sample behind its average query.

    Vectors do not depend on the batches. The model limits the length of a history.
    """

    average_users: int = Field(
        ge=1, description="users sampled at random for the average query"
    )
    seed: int = Field(ge=0, description="of the sample of users")


class Chunks(Params):
    """Rows that stream through the query tower at a time."""

    items: Rows = Field(description="items encoded at a time")
    users: Rows = Field(description="users encoded at a time")
