"""Parameters of the indexing pipeline."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PositiveInt

from two_tower.params import Params


def _as_list(value: Any) -> Any:
    """Let one number stand for a list of one, as lists can't be given to --params."""
    return [value] if isinstance(value, int) else value


Choices: TypeAlias = Annotated[
    tuple[PositiveInt, ...], BeforeValidator(_as_list), Field(min_length=1)
]


class Annoy(Params):
    """What may be tried to meet the recall target; one number fixes a setting."""

    n_trees: Choices = Field(
        description="sizes of forest, the smallest that is enough is taken; "
        "more trees cost memory and time to build"
    )
    search_k: Choices = Field(
        description="nodes to look at per query for a list of `recall_k` items, the "
        "fewest that are enough are taken; more of them cost time per query"
    )


class Indexing(Params):
    """How the item index is built, and how good it must be."""

    backend: Literal["annoy", "exact"]
    recall_k: int = Field(ge=1, description="k of the recall that is measured")
    recall_target: float = Field(
        ge=0,
        le=1,
        description="recall@k against exact search, below which the run fails",
    )
    sample_users: int = Field(
        ge=1,
        description="users drawn at random, on all whose vectors recall is measured",
    )
    golden_users: int = Field(
        ge=1, description="of the sample: users whose results every load asks for again"
    )
    seed: int = Field(ge=0, description="of the sample and of the index")
    annoy: Annoy
