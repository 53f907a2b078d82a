"""Attention over the items of a history, by item, event and request."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.multi_interest.layers import (
    dense,
    positions_from_newest,
    unit_vectors,
    weighted_softmax,
)
from two_tower.towers.vectors import take_rows
from two_tower.types import Tensor

# Width of the hidden layer, times the dimension, as in the paper's own code.
HIDDEN_FACTOR = 4


@keras.saving.register_keras_serializable("two_tower")
class ContextAttention(keras.layers.Layer):
    """p(item) = softmax over a history of FC₁(tanh(FC₄D([item; position; context]))).

    Args:
        dimension: D.
        max_length: number of positions, with `position_bias`.
        position_bias: whether positions are read, counted from the newest item; items
            beyond `max_length` share the last one. Without it histories are sets, whose
            interests are more diverse.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, section 3.4.
    """

    def __init__(
        self, dimension: int, *, max_length: int, position_bias: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.max_length = max_length
        self.position_bias = position_bias
        dtype = self.dtype_policy.name
        self.hidden = dense(HIDDEN_FACTOR * dimension, "hidden", dtype)
        self.logit = dense(1, "logit", dtype)

    def build(self, _: Any = None) -> None:
        parts = 3 if self.position_bias else 2
        self.hidden.build((None, parts * self.dimension))
        self.logit.build((None, HIDDEN_FACTOR * self.dimension))
        if self.position_bias:
            self.positions = self.add_weight(
                name="positions",
                shape=(self.max_length, self.dimension),
                initializer=unit_vectors(self.dimension),
                autocast=False,
            )
        self.built = True

    def call(self, vectors: Tensor, contexts: Tensor, is_real: Tensor) -> Tensor:
        """Return `[B, T]` float32 p(item), of sum 1 unless a row is all padding.

        Args:
            vectors: `[B, T, D]` float, item vectors, oldest first.
            contexts: `[B, T, D]` float.
            is_real: `[B, T]` bool, False for padding, which gets 0.
        """
        parts = [vectors, contexts]
        if self.position_bias:
            positions = positions_from_newest(is_real, self.max_length)
            embedded = take_rows(self.positions, positions, dtype=self.compute_dtype)
            parts.insert(1, embedded)
        flat = ops.concatenate(
            [ops.reshape(part, (-1, self.dimension)) for part in parts], axis=-1
        )
        logits = self.logit(ops.tanh(self.hidden(flat)))
        logits = ops.cast(ops.reshape(logits, ops.shape(is_real)), "float32")
        return weighted_softmax(logits, ops.cast(is_real, "float32"), axis=-1)


def mean_of_known(probabilities: Tensor, is_known: Tensor, is_real: Tensor) -> Tensor:
    """Return the mean of the known queries' p(item), uniform if no query is known.

    Args:
        probabilities: `[B, Q, T]` float32.
        is_known: `[B, Q]` bool.
        is_real: `[B, T]` bool.

    Returns:
        `[B, T]` float32.
    """
    known, real = ops.cast(is_known, "float32"), ops.cast(is_real, "float32")
    n_known = ops.sum(known, axis=-1, keepdims=True)
    total = ops.sum(probabilities * ops.expand_dims(known, -1), axis=1)
    even = real / ops.maximum(ops.sum(real, axis=-1, keepdims=True), 1.0)
    return ops.where(n_known > 0, total / ops.maximum(n_known, 1.0), even)


@keras.saving.register_keras_serializable("two_tower")
class QueryAttention(keras.layers.Layer):
    """p(item) = mean over queries q of softmax over a history of q·item / τ.

    Item vectors are not normalised.

    Args:
        dimension: D.
        temperature: τ, above 0.
        transform: whether queries are q + FC(q) in place of q.
    """

    def __init__(
        self, dimension: int, *, temperature: float, transform: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        self.temperature = temperature
        self.transform = transform
        if transform:
            self.change = dense(dimension, "change", self.dtype_policy.name)

    def build(self, _: Any = None) -> None:
        if self.transform:
            self.change.build((None, self.dimension))
        self.built = True

    def call(
        self, vectors: Tensor, queries: Tensor, is_real: Tensor, is_known: Tensor
    ) -> Tensor:
        """Return `[B, T]` float32 p(item), of sum 1 unless a row is all padding.

        Args:
            vectors: `[B, T, D]` float, item vectors.
            queries: `[B, Q, D]` float.
            is_real: `[B, T]` bool, False for padding, which gets 0.
            is_known: `[B, Q]` bool mask of queries.
        """
        if self.transform:
            flat = ops.reshape(queries, (-1, self.dimension))
            queries = queries + ops.reshape(self.change(flat), ops.shape(queries))
        logits = ops.matmul(queries, ops.transpose(vectors, (0, 2, 1)))
        real = ops.expand_dims(ops.cast(is_real, "float32"), 1)
        probabilities = weighted_softmax(
            ops.cast(logits, "float32") / self.temperature, real, axis=-1
        )
        return mean_of_known(probabilities, is_known, is_real)


def co_action(keys: Tensor, matrices: Tensor) -> Tensor:
    """Return tanh(k + tanh(k) · Q).

    Args:
        keys: `[B, T, D]` float, k.
        matrices: `[B, D, D]` float, Q of each row.

    Returns:
        `[B, T, D]` float.
    """
    return ops.tanh(keys + ops.matmul(ops.tanh(keys), matrices))


@keras.saving.register_keras_serializable("two_tower")
class CoAction(keras.layers.Layer):
    """Co-action unit: a layer over event keys whose weights the request generates.

    Args:
        dimension: D.

    References:
        Bian et al., CAN: Feature Co-Action Network for Click-Through Rate Prediction,
        WSDM 2022, section 3.2.
    """

    def __init__(self, dimension: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension
        dtype = self.dtype_policy.name
        self.of_key = dense(dimension, "of_key", dtype)
        self.of_query = dense(dimension**2, "of_query", dtype)

    def build(
        self, keys_shape: tuple[int | None, ...], query_shape: tuple[int | None, ...]
    ) -> None:
        self.of_key.build((None, keys_shape[-1]))
        self.of_query.build((None, query_shape[-1]))
        self.built = True

    def call(self, keys: Tensor, query: Tensor) -> Tensor:
        """Return `[B, T, D]` float, the contexts of events.

        Args:
            keys: `[B, T, K]` float, embedded events.
            query: `[B, L]` float, embedded request of each row.
        """
        batch, length = ops.shape(keys)[0], ops.shape(keys)[1]
        flat = self.of_key(ops.reshape(keys, (-1, keys.shape[-1])))
        matrices = ops.reshape(
            self.of_query(query), (batch, self.dimension, self.dimension)
        )
        return co_action(ops.reshape(flat, (batch, length, self.dimension)), matrices)
