"""Parameters of the indexing pipeline."""

from pydantic import Field

from two_tower.index.registry import IndexBackend
from two_tower.params import Params


class Indexing(Params):
    """How the item index is built, and what recall it must reach."""

    index: IndexBackend
    recall_k: int = Field(
        ge=1, description="k of the recall that is measured, at most all items"
    )
    recall_target: float = Field(
        ge=0,
        le=1,
        description="recall@k against exact search that the index must reach",
    )
    sample_users: int = Field(
        ge=1,
        description="users sampled at random; recall is measured on all their vectors",
    )
    golden_users: int = Field(
        ge=1, description="sampled users whose results are replayed at every load"
    )
    seed: int = Field(ge=0, description="of the sample of users and of the index")
