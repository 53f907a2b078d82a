"""Parameters of the export: how much is handled at a time."""

from pydantic import Field

from two_tower.params import Params


class Export(Params):
    """Sizes of the pieces that stream through the towers; no result depends on them."""

    items_per_piece: int = Field(ge=1)
    users_per_piece: int = Field(ge=1)
    slots: int = Field(ge=1, description="items in a batch, padding included")
    buckets: list[int] = Field(
        min_length=1,
        description="rising widths; the newest items of longer histories count",
    )
