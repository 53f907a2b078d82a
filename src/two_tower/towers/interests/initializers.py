"""How the weights of an interest tower start."""

import keras


def unit_vectors(dimension: int) -> keras.initializers.Initializer:
    """Return N(0, D^-½), which makes vectors of about length 1 in any direction."""
    return keras.initializers.RandomNormal(stddev=dimension**-0.5)


def dense(units: int, name: str, dtype: keras.DTypePolicy) -> keras.layers.Dense:
    """Return a linear layer whose kernel starts Glorot-normal."""
    return keras.layers.Dense(
        units, kernel_initializer="glorot_normal", name=name, dtype=dtype
    )
