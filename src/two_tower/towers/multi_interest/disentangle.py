"""Disentangling of a history into H heads, one per interest."""

from typing import Any, NamedTuple

import keras
from keras import ops

from two_tower.towers.multi_interest.layers import LayerNorm, dense, unit_vectors
from two_tower.towers.multi_interest.router import ProtoRouter
from two_tower.types import HeadNorm, Tensor

# Up to this mass a head counts as empty. The square of a greater mass, which the
# gradient of a quotient contains, is still a normal float32.
LEAST_MASS = 1e-16


@keras.saving.register_keras_serializable("two_tower")
class HeadMaker(keras.layers.Layer):
    """Heads from pooled items: FC(tanh(FC([pool; prior]))) + pool.

    Args:
        n_heads: H.
        dimension: D.
        prior: whether each head has a learned prior beside its pool. Without it a head
            with hardly any items is made of other heads' items ("spill-over").

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, and its public code (MultiCLRec).
    """

    def __init__(
        self, n_heads: int, dimension: int, *, prior: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_heads = n_heads
        self.dimension = dimension
        self.prior = prior
        self.inner = dense(dimension, "inner", self.dtype_policy.name)
        self.outer = dense(dimension, "outer", self.dtype_policy.name)

    def build(self, _: Any = None) -> None:
        self.inner.build((None, self.dimension * (2 if self.prior else 1)))
        self.outer.build((None, self.dimension))
        if self.prior:
            self.priors = self.add_weight(
                name="priors",
                shape=(self.n_heads, self.dimension),
                initializer=unit_vectors(self.dimension),
            )
        self.built = True

    def call(self, pools: Tensor) -> Tensor:
        """Return `[B, H, D]` float heads of `[B, H, D]` float pools."""
        states = pools
        if self.prior:
            priors = ops.broadcast_to(
                ops.cast(self.priors, pools.dtype), ops.shape(pools)
            )
            states = ops.concatenate([pools, priors], axis=-1)
        flat = ops.reshape(states, (-1, states.shape[-1]))
        made = self.outer(ops.tanh(self.inner(flat)))
        return ops.reshape(made, ops.shape(pools)) + pools


def joint_probability(item_probability: Tensor, head_of_item: Tensor) -> Tensor:
    """Return p(h, t) = p(t) · p(h|t).

    Args:
        item_probability: `[B, T]` float32.
        head_of_item: `[B, T, H]` float32, 0 for padding.

    Returns:
        `[B, T, H]` float32, 0 for padding.
    """
    return ops.expand_dims(item_probability, -1) * head_of_item


def pool_by_head(units: Tensor, joint: Tensor) -> Tensor:
    """Return each head's pool Σ_t p(h, t) · e_t.

    Args:
        units: `[B, T, D]` float, unit vectors.
        joint: `[B, T, H]` float32.

    Returns:
        `[B, H, D]` float, of the units' dtype.
    """
    by_head = ops.cast(ops.transpose(joint, (0, 2, 1)), units.dtype)
    return ops.matmul(by_head, units)


def equalise_pools(pools: Tensor, joint: Tensor) -> Tensor:
    """Return the heads' pools divided by their mass Σ_t p(h, t).

    The pool of an empty head is not divided, which keeps its gradient:
    straight-through routing has one even where nothing is routed to.

    Args:
        pools: `[B, H, D]` float.
        joint: `[B, T, H]` float32.

    Returns:
        `[B, H, D]` float.
    """
    mass = ops.expand_dims(ops.sum(joint, axis=1), -1)
    shares = ops.cast(pools, "float32") / ops.where(mass > LEAST_MASS, mass, 1.0)
    return ops.cast(shares, pools.dtype)


class Disentangled(NamedTuple):
    """A history disentangled into heads.

    Attributes:
        heads: `[B, H, D]` float.
        mean_item: `[B, D]` float, Σ_t p(t) · e_t.
        head_of_item: `[B, T, H]` float32, p(h|t), 0 for padding.
    """

    heads: Tensor
    mean_item: Tensor
    head_of_item: Tensor


@keras.saving.register_keras_serializable("two_tower")
class Disentangler(keras.layers.Layer):
    """Route the items of a history to heads and pool them.

    Args:
        n_heads: H.
        dimension: D.
        router: router of items to H heads, a sublayer.
        equalise: whether each head's item weights are scaled to sum 1, so that heads of
            few items weigh as much as others.
        prior: whether each head has a learned prior; see `HeadMaker`.
        norm: `layer` for a layer norm of the heads, `unit` for one to length 1, None
            for none.

    Raises:
        ValueError: if the router hasn't H prototypes.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021, and its public code (MultiCLRec).
    """

    def __init__(
        self,
        n_heads: int,
        dimension: int,
        *,
        router: ProtoRouter,
        equalise: bool,
        prior: bool,
        norm: HeadNorm | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if router.n_prototypes != n_heads:
            raise ValueError(
                f"the router has {router.n_prototypes} prototypes for {n_heads} heads; "
                "give it one for each head"
            )
        self.n_heads = n_heads
        self.dimension = dimension
        self.router = router
        self.equalise = equalise
        self.prior = prior
        self.norm_kind = norm
        dtype = self.dtype_policy.name
        self.maker = HeadMaker(
            n_heads, dimension, prior=prior, name="maker", dtype=dtype
        )
        self.norm = (
            None
            if norm is None
            else LayerNorm(to_unit=norm == "unit", name="norm", dtype=dtype)
        )

    @property
    def input_dtype(self) -> str:
        """Dtype that Keras casts inputs to; half precision is too coarse here."""
        return "float32"

    def build(self, _: Any = None) -> None:
        if not self.router.built:
            self.router.build()
        self.maker.build()
        if self.norm is not None:
            self.norm.build((None, None, self.dimension))
        self.built = True

    def call(
        self, units: Tensor, item_probability: Tensor, is_real: Tensor
    ) -> Disentangled:
        """Return the heads of histories.

        Args:
            units: `[B, T, D]` float, item vectors of length 1.
            item_probability: `[B, T]` float32, p(t).
            is_real: `[B, T]` bool, False for padding, which follows the items.
        """
        units = ops.cast(units, self.compute_dtype)
        routed = self.router(units, are_unit=True)
        head_of_item = ops.where(ops.expand_dims(is_real, -1), routed, 0.0)
        joint = joint_probability(item_probability, head_of_item)
        pools = pool_by_head(units, joint)
        # p(h|t) sums to 1 over heads, so the pools sum to the mean of all items.
        mean_item = ops.sum(pools, axis=1)
        if self.equalise:
            pools = equalise_pools(pools, joint)
        heads = self.maker(pools)
        if self.norm is not None:
            heads = self.norm(heads)
        return Disentangled(heads, mean_item, head_of_item)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_heads": self.n_heads,
            "dimension": self.dimension,
            "router": keras.saving.serialize_keras_object(self.router),
            "equalise": self.equalise,
            "prior": self.prior,
            "norm": self.norm_kind,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Disentangler":
        """Rebuild the router, then the layer, from the result of `get_config`."""
        router = keras.saving.deserialize_keras_object(config["router"])
        return cls(**{**config, "router": router})
