"""Small inputs of order 1, and a multi-interest encoder."""

import keras
import numpy as np

from tests.towers.build import mask_of, scatter_weights
from two_tower.towers.multi_interest.tower import MultiInterestUserTower

N_HEADS, N_VECTORS, DIMENSION, MAX_LENGTH = 4, 2, 3, 4

RATING_EDGES = (1.5, 3.0)
AGE_EDGES = (60, 3600)
POSITIVE = 3.0

LENGTHS = (5, 2, 0)


def any_batch(lengths=LENGTHS, width=5, seed=3):
    """Return a batch of events; some ratings and times are unknown."""
    rng = np.random.default_rng(seed)
    shape = len(lengths), width
    is_real = mask_of(lengths, width)
    ratings = rng.choice([0.5, 2, 3, 4.5, np.nan], shape)
    hours = rng.integers(0, 4, shape) * 37 + 400_000 * rng.integers(0, 2, shape)
    return {
        "items": np.where(is_real, rng.integers(2, 9, shape), 0).astype(np.int32),
        "hours": np.where(is_real, hours, 0).astype(np.int32),
        "ages": np.where(is_real, rng.integers(0, 9000, shape), 0).astype(np.int32),
        "ratings": np.where(is_real, ratings, np.nan).astype(np.float32),
        "request_hours": rng.integers(400_000, 400_400, len(lengths)).astype(np.int32),
        "users": rng.integers(0, 6, len(lengths)).astype(np.int32),
    }


def compiled(function):
    """Return a function of tensors, compiled, as a function of arrays.

    Training compiles too: TensorFlow's graphs rewrite operations that run alone.
    """
    if keras.backend.backend() == "jax":
        import jax

        def pure(*inputs):
            with keras.StatelessScope():
                return function(*inputs)

        run = jax.jit(pure)
    else:
        import tensorflow as tf

        run = tf.function(function)
    return lambda *inputs: [np.asarray(part) for part in run(*inputs)]


def make_tower(
    *,
    events=None,
    attention=None,
    heads=None,
    aggregation=None,
    n_vectors=N_VECTORS,
    **options,
):
    """Return a built, scattered encoder; groups of options change the defaults."""
    groups = {
        "events": {
            "positive_rating": POSITIVE,
            "rating_edges": list(RATING_EDGES),
            "age_edges": list(AGE_EDGES),
            "request_time": True,
            "user_id": None,
            "hidden": 0.0,
        },
        "attention": {
            "kind": "context",
            "position_bias": False,
            "transform": True,
            "temperature": 0.5,
        },
        "heads": {
            "routing": "soft",
            "temperature": 0.5,
            "category_temperature": 0.3,
            "equalise": False,
            "prior": True,
            "norm": None,
        },
        "aggregation": {
            "query": "items",
            "transform": True,
            "temperature": None,
            "last_layer": False,
        },
    }
    given = {
        "events": events,
        "attention": attention,
        "heads": heads,
        "aggregation": aggregation,
    }
    tower = MultiInterestUserTower(
        DIMENSION,
        n_heads=N_HEADS,
        n_vectors=n_vectors,
        max_length=MAX_LENGTH,
        category=["genre"],
        seed=3,
        **{name: group | (given[name] or {}) for name, group in groups.items()},
        **options,
    )
    tower.build()
    scatter_weights(tower)
    return tower
