"""Parameters of the add_items pipeline."""

from typing import Literal

from pydantic import Field

from two_tower.params import Ids, Params


class AddItems(Params):
    """Which new items are added; ids are matched as text."""

    items: Literal["all"] | Ids = Field(
        description="raw ids, or all items that the deployed model lacks"
    )
