"""Whether a query tower and an index were made from one model."""

from typing import Final

import numpy as np

from two_tower.retrieval.bundle import SAME_SCORE, IndexBundle
from two_tower.serving.query_tower import QueryTower
from two_tower.types import FIRST_ID

ASKED_ITEMS: Final = 16
"""Items whose vectors are made again: another model differs in every one of them."""

_AGAIN: Final = (
    "run: kedro run --pipelines export,indexing, or, where items were added since the "
    "training, kedro run --pipelines add_items"
)


def require_pair(tower: QueryTower, bundle: IndexBundle) -> None:
    """Refuse an index that holds other items, or another model's vectors.

    Raises:
        ValueError: saying what differs.
    """
    ids = tower.vocabularies.item_lookup.ids
    if not ids.equals(bundle.item_ids):
        raise ValueError(
            f"the index has {bundle.n_items} items and the query tower {len(ids)}, or "
            f"they are others; {_AGAIN}"
        )
    asked = np.linspace(0, bundle.n_items - 1, min(ASKED_ITEMS, bundle.n_items))
    positions = asked.astype(np.int32)
    vectors = tower.encode_items(positions + FIRST_ID)
    found = np.asarray(bundle.vectors[positions])
    if vectors.shape != found.shape or np.abs(vectors - found).max() > SAME_SCORE:
        raise ValueError(
            "the index holds other item vectors than the query tower makes; both must "
            f"come of one model; {_AGAIN}"
        )
