"""Training pairs of all contenders, and the evaluation of their vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import yaml

from benchmarks.project import ROOT
from two_tower.evaluation.queries import EvaluationQueries
from two_tower.metrics.accuracy import mean_metrics, query_metrics
from two_tower.metrics.ranks import dot_product_ranks
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, FloatArray

USER_FEATURES = ("gender", "age", "occupation")
ITEM_FEATURES = ("genres",)
CUTOFFS = (10, 50, 100)
ITEM_BLOCK = 8192


@dataclass(frozen=True, eq=False)
class Pairs:
    """Training interactions and features, as numbers from 0.

    Attributes:
        users, items: `[P]` int32, one training interaction each.
        user_features: `[U, 3]` int32, a user's values of `USER_FEATURES`.
        genres: `[N, G]` int32, an item's genres, padded with 0.
    """

    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    user_features: npt.NDArray[np.int32]
    genres: npt.NDArray[np.int32]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all arrays by name, as the scripts of contenders read them."""
        return {**vars(self), "user_feature_names": np.array(USER_FEATURES)}


def only_shared_features() -> dict[str, Any]:
    """Return the parameters that switch off features which peers do not get."""
    path = ROOT / "conf" / "base" / "parameters" / "sequencing.yml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    features = declared["sequencing"]["features"]
    shared = {"item": ITEM_FEATURES, "user": USER_FEATURES}
    switches = {
        entity: {name: None for name in features[entity] if name not in names}
        for entity, names in shared.items()
    }
    return {"sequencing": {"features": switches}}


def read_pairs(
    split_interactions: ir.Table,
    vocabularies: Sequence[ir.Table],
    features: Sequence[ir.Table],
) -> Pairs:
    """Return the training pairs with their features, sorted by user and time.

    Args:
        split_interactions: `user_id`, `item_id`, `position`, `split`.
        vocabularies: of users (`user`, `user_id`) and items (`item`, `item_id`).
        features: of users (`user` and `USER_FEATURES`) and items (`item`, `genres`).

    Raises:
        ValueError: if a user or an item is in no pair, which not every peer can train.
    """
    users, items = vocabularies
    train = split_interactions.filter(split_interactions.split == "train")
    pairs = train.join(users, "user_id").join(items, "item_id")
    pairs = pairs.order_by("user", "position").select("user", "item").to_pyarrow()
    user_features, item_features = features
    columns = user_features.order_by("user").select(*USER_FEATURES).to_pyarrow()
    genres = item_features.order_by("item").select("genres").to_pyarrow()["genres"]
    lists = Ragged.from_arrow(genres)
    found = Pairs(
        users=_from_zero(pairs["user"]),
        items=_from_zero(pairs["item"]),
        user_features=np.column_stack(
            [columns[name].to_numpy() for name in USER_FEATURES]
        ).astype(np.int32),
        genres=lists.pad(int(lists.lengths.max(initial=1))).astype(np.int32),
    )
    for name, ids, rows in (
        ("users", found.users, found.user_features),
        ("items", found.items, found.genres),
    ):
        missing = len(rows) - len(np.unique(ids))
        if missing:
            raise ValueError(
                f"{missing} of {len(rows)} {name} have no training pair, which "
                "LibRecommender can't train; compare on a split with pairs of all, "
                "such as leave_one_out of ML-1M"
            )
    return found


def evaluate(
    users: FloatArray, items: FloatArray, queries: EvaluationQueries
) -> dict[str, float]:
    """Return hit rates and NDCG of a ranking of all unseen items by dot product.

    Args:
        users: `[B, D]` float32, in the order of the queries.
        items: `[N, D]` float32, by item index from 0.
        queries: the test queries.
    """
    ranks = dot_product_ranks(
        users, items, queries.targets, queries.excluded, item_block=ITEM_BLOCK
    )
    by_query = Ragged(ranks, queries.targets.offsets)
    metrics = mean_metrics(query_metrics(by_query, cutoffs=CUTOFFS))
    return {name: metrics[name] for name in (*(f"hr@{k}" for k in CUTOFFS), "ndcg@10")}


def _from_zero(indices: Any) -> npt.NDArray[np.int32]:
    return np.asarray(indices.to_numpy() - FIRST_ID, np.int32)
