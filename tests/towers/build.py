"""Small towers with weights of order 1, so that nothing hides behind small numbers."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from tests.gradients import evaluated
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.features import Feature
from two_tower.towers.mean import MeanUserTower
from two_tower.towers.transformer.tower import TransformerUserTower
from two_tower.towers.two_tower import TwoTower

N_ITEMS, DIMENSION, MAX_LENGTH = 9, 4, 8

EACH_TOWER = pytest.mark.parametrize("kind", ["mean", "transformer"])

Batch = dict[str, np.ndarray]


def any_vectors(*shape: int, seed: int = 5) -> np.ndarray:
    """Return standard-normal float32 numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def mask_of(lengths: Sequence[int], width: int) -> np.ndarray:
    """Return `[B, width]` bool, True for the first `lengths[b]` of row b."""
    return np.arange(width) < np.array(lengths)[:, None]


def scatter_weights(layer: keras.layers.Layer, seed: int = 0) -> None:
    """Assign every trainable weight values of order 1."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(0, 0.7, weight.shape))


def scatter_averages(layer: keras.layers.Layer) -> None:
    """Assign batch norm moving averages other than the initial ones."""
    rng = np.random.default_rng(1)
    for weight in layer.non_trainable_weights:
        if weight.name.startswith("moving"):
            weight.assign(rng.uniform(0.5, 2, weight.shape))


def new_item_tower(
    features: Mapping[str, Feature] | None = None,
    *,
    n_entities: int = N_ITEMS,
    dimension: int = DIMENSION,
    **options: Any,
) -> EntityTower:
    """Return an unbuilt tower that sums ids and features unless options differ."""
    defaults = {
        "use_id": True,
        "id_dropout": 0.0,
        "embedding": DIMENSION,
        "combine": "sum",
        "mlp": None,
        "l2": 0.0,
        "n_rows": n_entities,
        "scale": 0.1,
        "seed": 1,
    }
    return EntityTower(
        n_entities, dimension, features=features or {}, **defaults | options
    )


def make_item_tower(
    features: Mapping[str, Feature] | None = None, **options: Any
) -> EntityTower:
    """Return a built item tower of `N_ITEMS`, scattered."""
    tower = new_item_tower(features, **options)
    tower.build()
    scatter_weights(tower)
    return tower


def sequence_options(*, dropout: float = 0.0, **changes: Any) -> dict[str, Any]:
    """Return options of a plain transformer with one dropout rate, and changes."""
    shares = ("input", "attention", "feed_forward", "branch", "times")
    dropouts = dict.fromkeys(shares, dropout)
    if changes.get("feed_forward", True) is None:
        dropouts["feed_forward"] = 0.0
    return {
        "n_blocks": 1,
        "n_heads": 2,
        "head_width": None,
        "attention": "softmax",
        "residual": "sum",
        "feed_forward": {"kind": "gelu", "factor": 4},
        "absolute_position": True,
        "relative_position": False,
        "relative_time": False,
        "time_gap": False,
        "request_time": False,
        "dropout": dropouts,
    } | changes


def make_encoder(
    kind: str, *, dropout: float = 0.0, dtype: str = "float32", **options: Any
) -> keras.layers.Layer:
    """Return an unbuilt history encoder; `options` change `sequence_options`."""
    if kind == "mean":
        return MeanUserTower(
            DIMENSION,
            hidden_units=[6, 5],
            max_length=MAX_LENGTH,
            dropout=dropout,
            seed=2,
            dtype=dtype,
        )
    return TransformerUserTower(
        DIMENSION,
        max_length=MAX_LENGTH,
        options=sequence_options(dropout=dropout, **options),
        seed=2,
        dtype=dtype,
    )


def history_towers(item_tower: EntityTower, encoder: keras.layers.Layer) -> TwoTower:
    """Return an unbuilt model of histories without profiles."""
    return TwoTower(
        item_tower,
        history_encoder=encoder,
        profile=None,
        fusion=None,
        normalise=True,
        dtype=encoder.dtype_policy,
    )


def make_towers(
    kind: str, *, dropout: float = 0.0, id_dropout: float = 0.0, dtype: str = "float32"
) -> TwoTower:
    """Return both towers, built and scattered."""
    towers = history_towers(
        new_item_tower(id_dropout=id_dropout, dtype=dtype),
        make_encoder(kind, dropout=dropout, dtype=dtype),
    )
    towers.build()
    scatter_weights(towers)
    return towers


@cache
def shared_towers(kind: str) -> TwoTower:
    """Return towers without dropout, for tests that do not change them."""
    return make_towers(kind)


@cache
def call_shared(kind: str) -> Callable[..., np.ndarray]:
    """Return the shared towers as a function of `items` and `lengths`."""
    return call_towers(shared_towers(kind))


def call_towers(towers: TwoTower, **options: Any) -> Callable[..., np.ndarray]:
    """Return the towers as a function of `items` and `lengths`."""
    return evaluated(
        lambda items, lengths: towers({"items": items, "lengths": lengths}, **options)
    )


def queries_of(
    kind: str, histories: Sequence[Sequence[int]], width: int = MAX_LENGTH
) -> np.ndarray:
    """Return the shared towers' query vectors of histories."""
    return call_shared(kind)(*pad(histories, width).values())


def pad(histories: Sequence[Sequence[int]], width: int = MAX_LENGTH) -> Batch:
    """Return histories as a batch, padded to a width."""
    items = np.zeros((len(histories), width), np.int32)
    for row, history in enumerate(histories):
        items[row, : len(history)] = history
    return {"items": items, "lengths": np.array([*map(len, histories)], np.int32)}


# User features in tests: one of each kind that differs in arithmetic.
USER_FEATURES = {
    "gender": Feature("categorical", size=4, width=1),
    "age": Feature("dense", size=1, width=1),
}
USERS = {
    "gender": np.array([0, 0, 2, 3, 1, 2, 0])[:, None],
    "age": np.array([0, 0, -1, 0.5, 1, -0.3, 0.8], np.float32)[:, None],
}
N_USERS, PROFILE_WIDTH = 7, 3


def make_profile_towers(
    kind: str | None = "mean",
    *,
    normalise: bool = True,
    batch_norm: bool = False,
    dropout: float = 0.0,
    dtype: str = "float32",
    **options: Any,
) -> TwoTower:
    """Return a model of profiles and, unless `kind` is None, histories, scattered.

    With histories there is a fusion with a hidden layer, otherwise the profile's mlp.
    """
    layers = {"hidden_units": [5], "batch_norm": batch_norm, "dropout": dropout}
    encoder = make_encoder(kind, dropout=dropout, dtype=dtype) if kind else None
    width = PROFILE_WIDTH if encoder else DIMENSION
    profile = EntityTower(
        N_USERS,
        width,
        features=USER_FEATURES,
        use_id=True,
        id_dropout=0.0,
        embedding=PROFILE_WIDTH,
        combine="sum" if encoder else "concat",
        mlp=None if encoder else layers,
        l2=0.0,
        n_rows=N_USERS,
        scale=0.1,
        seed=5,
        dtype=dtype,
    )
    towers = TwoTower(
        new_item_tower(dtype=dtype, **options),
        history_encoder=encoder,
        profile=profile,
        fusion=layers | {"seed": 6} if encoder else None,
        normalise=normalise,
        dtype=dtype,
    )
    towers.build()
    scatter_weights(towers)
    profile.set_features(USERS)
    return towers
