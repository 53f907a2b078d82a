"""Aggregation of H heads to V vectors."""

from typing import Any

import keras
from keras import ops

from two_tower.towers.multi_interest.layers import MultipathDense, dense
from two_tower.types import QuerySource, Tensor


def aggregate(
    heads: Tensor, queries: Tensor, temperature: float | None = None
) -> Tensor:
    """Return y = (1/G) · Σ_g w_g · x_g per group, w = softmax over g of x_g·m / τ.

    Args:
        heads: `[B, V, G, D]` float, x: V groups of G heads.
        queries: `[B, V, D]` float, m of each group, or `[B, 1, D]` of all.
        temperature: τ; None for 1.

    Returns:
        `[B, V, D]` float of the heads' dtype, computed in float32; with one head per
        group the heads themselves.
    """
    if heads.shape[2] == 1:
        return heads[:, :, 0]
    whole, queries = ops.cast(heads, "float32"), ops.cast(queries, "float32")
    logits = ops.sum(whole * ops.expand_dims(queries, 2), axis=-1)
    weights = ops.softmax(logits / (temperature or 1.0), axis=-1)
    means = ops.mean(whole * ops.expand_dims(weights, -1), axis=2)
    return ops.cast(means, heads.dtype)


@keras.saving.register_keras_serializable("two_tower")
class HeadAggregation(keras.layers.Layer):
    """Attention over groups of heads, one vector per group.

    Args:
        n_heads: H.
        n_vectors: V, a divisor of H: vector 0 has the heads 0 … H/V - 1, and so on.
        dimension: D.
        query: source of the query m: `items` for the mean of the history's items, one
            query for all groups; `heads` for the mean of each group's heads.
        transform: whether the query is m + FC(m) in place of m; with `heads` and
            several vectors each group has its own FC.
        temperature: temperature of the weights, above 0; None for 1.
        last_layer: whether each vector y has a last layer of its own, y + FC_v(y).

    Raises:
        ValueError: if V doesn't divide H.

    References:
        He et al., An Unsupervised Neural Attention Model for Aspect Extraction, ACL
        2017, section 3.1.
    """

    def __init__(  # noqa: PLR0913
        self,
        n_heads: int,
        n_vectors: int,
        dimension: int,
        *,
        query: QuerySource,
        transform: bool,
        temperature: float | None,
        last_layer: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if n_vectors < 1 or n_heads % n_vectors:
            raise ValueError(
                f"{n_heads} heads don't make {n_vectors} vectors; give a number of "
                "heads that is a multiple of the vectors'"
            )
        self.n_heads = n_heads
        self.n_vectors = n_vectors
        self.dimension = dimension
        self.query = query
        self.temperature = temperature
        self.last_layer = last_layer
        # The only head of a group is its vector, whatever the query.
        self.changes_query = transform and n_heads > n_vectors
        if self.changes_query:
            self.change = (
                dense(dimension, "change", self.dtype_policy.name)
                if query == "items" or n_vectors == 1
                else self._dense_per_vector("change")
            )
        if last_layer:
            self.last = self._dense_per_vector("last")

    def _dense_per_vector(self, name: str) -> MultipathDense:
        return MultipathDense(
            self.n_vectors,
            output=None,
            use_bias=True,
            name=name,
            dtype=self.dtype_policy.name,
        )

    def build(self, _: Any = None) -> None:
        if self.changes_query:
            self.change.build((None, self.n_vectors, self.dimension))
        if self.last_layer:
            self.last.build((None, self.n_vectors, self.dimension))
        self.built = True

    def call(self, heads: Tensor, mean_item: Tensor) -> Tensor:
        """Return `[B, V, D]` float vectors, not normalised.

        Args:
            heads: `[B, H, D]` float.
            mean_item: `[B, D]` float, Σ_t p(t) · e_t of unit vectors e.
        """
        group = self.n_heads // self.n_vectors
        groups = ops.reshape(heads, (-1, self.n_vectors, group, self.dimension))
        queries = (
            ops.expand_dims(mean_item, 1)
            if self.query == "items"
            else ops.mean(groups, axis=2)
        )
        if self.changes_query:
            queries = queries + self.change(queries)
        vectors = aggregate(groups, queries, self.temperature)
        return vectors + self.last(vectors) if self.last_layer else vectors
