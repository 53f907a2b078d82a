"""Small models of histories, profiles and events, with their vocabularies."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tests.towers.build import (
    DIMENSION,
    MAX_LENGTH,
    make_encoder,
    new_item_tower,
    scatter_weights,
)
from two_tower.features.registry import Features
from two_tower.ragged import Ragged
from two_tower.serving.build import assemble_query_tower
from two_tower.serving.query_tower import QueryTower
from two_tower.serving.vocabularies import Vocabularies
from two_tower.towers.events import Events, event_fields
from two_tower.towers.features import Feature
from two_tower.towers.multi_interest.tower import MultiInterestUserTower
from two_tower.towers.two_tower import TwoTower

ORIGIN = {
    "fingerprints": {"interactions": "d"},
    "parameters": {"training": {}},
    "rules": {"sequencing.split": {"kind": "temporal"}},
}
ITEM_IDS = ["a", "b", "c", "d", "e", "f"]
USER_IDS = [10, 20, 30]

DECLARED = Features.model_validate(
    {
        "item": {"genres": {"kind": "multi_valued"}, "year": {"kind": "dense"}},
        "user": {
            "job": {"kind": "categorical", "column": "occupation"},
            "area": {"kind": "categorical", "column": "zip", "prefix": 2},
            "likes": {"kind": "multi_valued"},
            "age": {"kind": "dense"},
        },
    }
)
VALUES = [
    ("item", "genres", "Action", 2),
    ("item", "genres", "Comedy", 3),
    ("item", "genres", "Drama", 4),
    ("user", "area", "55", 2),
    ("user", "area", "90", 3),
    ("user", "job", "artist", 2),
    ("user", "job", "doctor", 3),
    ("user", "likes", "cats", 2),
    ("user", "likes", "dogs", 3),
]
SCHEMA = {
    "item": {
        "genres": {"kind": "multi_valued", "size": 5},
        "year": {"kind": "dense", "mean": 1990.0, "std": 5.0},
    },
    "user": {
        "age": {"kind": "dense", "mean": 40.0, "std": 10.0},
        "area": {"kind": "categorical", "size": 4},
        "job": {"kind": "categorical", "size": 4},
        "likes": {"kind": "multi_valued", "size": 4},
    },
    "n_items": 8,
    "n_users": 5,
}
ITEM_VALUES = {
    "genres": np.int32(
        [[0, 0], [0, 0], [2, 0], [2, 3], [3, 0], [4, 0], [4, 2], [0, 0]]
    ),
    "year": np.float32([[0], [0], [-1], [0.5], [1], [2], [-0.5], [0]]),
}
USER_VALUES = {
    "age": np.float32([[0], [0], [-1], [0.5], [1]]),
    "area": np.int32([[0], [0], [2], [3], [2]]),
    "job": np.int32([[0], [0], [2], [3], [0]]),
    "likes": np.int32([[0], [0], [2], [3], [2]]),
}


def make_vocabularies() -> Vocabularies:
    """Return items a … f, where f is cold, and users 10, 20 and 30."""
    entity, feature, value, ids = zip(*VALUES, strict=True)
    return Vocabularies(
        items=pa.table(
            {
                "item": pa.array(range(2, 8), pa.int32()),
                "item_id": ITEM_IDS,
                "title": [f"Film {name}" for name in ITEM_IDS],
                "n_train": pa.array([5, 9, 1, 3, 2, 0], pa.int64()),
            }
        ),
        users=pa.table(
            {
                "user": pa.array(range(2, 5), pa.int32()),
                "user_id": USER_IDS,
                "n_train": pa.array([8, 7, 5], pa.int64()),
            }
        ),
        values=pa.table(
            {
                "entity": entity,
                "feature": feature,
                "value": value,
                "id": pa.array(ids, pa.int32()),
                "count": pa.array([1] * len(ids), pa.int64()),
            }
        ),
        schema=SCHEMA,
        declared=DECLARED,
    )


def make_towers(  # noqa: PLR0913
    *,
    normalise: bool = True,
    seed: int = 0,
    sides: Literal["both", "history", "profile", "events", "timed"] = "both",
    id_dropout: float = 0.0,
    n_vectors: int = 1,
    user_id: bool = False,
    separate: bool = False,
    **item: Any,
) -> TwoTower:
    """Return towers over these vocabularies, built, with scattered weights.

    Args:
        normalise: whether vectors have length 1.
        seed: of the weights.
        sides: the inputs of the user tower.
        id_dropout: of the profile.
        n_vectors: per user, of towers that read events.
        user_id: whether such towers read the user id, too.
        separate: whether histories have an item tower of their own.
        item: options of the item tower.
    """
    items = new_item_tower(
        {"genres": Feature("multi_valued", 5, 2), "year": Feature("dense", 1, 1)},
        n_entities=8,
        **item,
    )
    users = new_item_tower(
        {
            "age": Feature("dense", 1, 1),
            "area": Feature("categorical", 4, 1),
            "job": Feature("categorical", 4, 1),
            "likes": Feature("multi_valued", 4, 1),
        },
        n_entities=5,
        id_dropout=id_dropout,
    )
    fusion = {"hidden_units": [], "batch_norm": False, "dropout": 0.0, "seed": 3}
    towers = TwoTower(
        items,
        history_encoder=_encoders(n_vectors, user_id=user_id)[sides](),
        profile=users if sides in {"both", "profile"} else None,
        fusion=fusion if sides == "both" else None,
        normalise=normalise,
        history_item_tower=new_item_tower(n_entities=8) if separate else None,
    )
    towers.build()
    scatter_weights(towers, seed)
    items.set_features(ITEM_VALUES)
    items.set_trained(np.arange(8) < 7)
    if sides in {"both", "profile"}:
        users.set_features(USER_VALUES)
        users.set_trained(np.ones(5, bool))
    return towers


def _encoders(n_vectors: int, *, user_id: bool) -> dict[str, Callable[[], Any]]:
    mean = partial(make_encoder, "mean")
    hashed = [{"buckets": 11, "dimension": DIMENSION}]
    events = partial(
        MultiInterestUserTower,
        DIMENSION,
        n_heads=4,
        n_vectors=n_vectors,
        max_length=MAX_LENGTH,
        category=["genres"],
        events={
            "positive_rating": 3.0,
            "rating_edges": [2.0, 4.0],
            "age_edges": [60.0, 3600.0],
            "request_time": True,
            "user_id": hashed if user_id else None,
            "hidden": 0.0,
        },
        attention={
            "kind": "context",
            "position_bias": True,
            "transform": False,
            "temperature": 1.0,
        },
        heads={
            "routing": "soft",
            "temperature": 0.5,
            "category_temperature": 0.5,
            "equalise": True,
            "prior": False,
            "norm": None,
        },
        aggregation={
            "query": "items",
            "transform": False,
            "temperature": None,
            "last_layer": False,
        },
        seed=3,
    )
    timed = partial(
        make_encoder,
        "transformer",
        relative_time=True,
        time_gap=True,
        request_time=True,
    )
    return {
        "both": mean,
        "history": mean,
        "events": events,
        "timed": timed,
        "profile": lambda: None,
    }


def make_query_tower(**options: Any) -> QueryTower:
    """Return a query tower of `make_towers`, which takes the options."""
    users = {
        "user_id": USER_IDS,
        "item_ids": pa.array([["a", "b"], [], ["c"]], pa.list_(pa.string())),
        "timestamps": pa.array([[7200, 9000], [], [5]], pa.list_(pa.int64())),
        "ratings": pa.array([[1, None], [], [5]], pa.list_(pa.float32())),
    }
    return assemble_query_tower(
        make_towers(**options),
        make_vocabularies(),
        pa.table(users),
        bucket_boundaries=[2, 4],
        tokens_per_batch=16,
        origin=ORIGIN,
    )


@cache
def shared_tower() -> QueryTower:
    """Return a query tower for tests that don't change it."""
    return make_query_tower()


def tower_vectors(
    tower: QueryTower,
    items: list[list[int]],
    users: list[int],
    values: dict[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Return the model's own vectors for item and user indices."""
    width = tower.towers.max_length
    padded = np.zeros((len(items), width), np.int32)
    for row, history in enumerate(items):
        padded[row, : len(history)] = history
    batch = {
        "items": padded,
        "lengths": np.int32([len(history) for history in items]),
        "users": np.int32(users),
    }
    return np.asarray(tower.towers(batch | ({"values": values} if values else {})))


@cache
def event_tower(n_vectors=1, *, user_id=False) -> QueryTower:
    """Return a query tower that reads events."""
    return make_query_tower(sides="events", n_vectors=n_vectors, user_id=user_id)


def id_lists(*histories):
    return pa.array(histories, pa.list_(pa.string()))


def seconds(*rows):
    return pa.array(rows, pa.list_(pa.int64()))


def stars(*rows):
    return pa.array(rows, pa.list_(pa.float32()))


def event_vectors(
    tower: QueryTower, items, users, timestamps, ratings, asked_at
) -> np.ndarray:
    """Return the model's own vectors for item and user indices with their events."""
    histories = Ragged.from_lists(items)
    events = Events.from_arrow(
        seconds(*timestamps), stars(*ratings), pa.array(asked_at, pa.int64())
    )
    width = tower.towers.max_length
    fields = event_fields(histories, events, width, request_time=True)
    return np.asarray(tower.towers(fields | {"users": np.int32(users)}))
