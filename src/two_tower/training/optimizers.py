"""Optimisers: their parameters, and how they are built."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from two_tower.params import Factor, OneOf, Params
from two_tower.types import Clip

if TYPE_CHECKING:
    import keras


class OptimizerParams(Params, ABC):
    """Options of a kind of optimiser, and its Keras class."""

    @abstractmethod
    def keras_class(self) -> Any:
        """Return the class of the optimiser, whose arguments the options are."""


class Adam(OptimizerParams):
    """Adam."""

    beta_2: float = Field(gt=0, lt=1, description="decay of squared gradients")
    epsilon: Factor = Field(gt=0, description="added to denominators")

    def keras_class(self) -> Any:
        import keras

        return keras.optimizers.Adam


class AdamW(Adam):
    """Adam with decoupled weight decay of tables and kernels."""

    weight_decay: Factor = Field(ge=0)

    def keras_class(self) -> Any:
        import keras

        return keras.optimizers.AdamW


class Adagrad(OptimizerParams):
    """Adagrad."""

    initial_accumulator_value: Factor = Field(
        gt=0, description="initial sum of squared gradients"
    )
    epsilon: Factor = Field(gt=0, description="added to denominators")

    def keras_class(self) -> Any:
        import keras

        return keras.optimizers.Adagrad


class Sgd(OptimizerParams):
    """Stochastic gradient descent."""

    momentum: float = Field(ge=0, lt=1)

    def keras_class(self) -> Any:
        import keras

        return keras.optimizers.SGD


class Optimizer(OneOf[OptimizerParams]):
    """How weights follow gradients."""

    learning_rate: Factor = Field(gt=0, description="the peak of its schedule")
    clip_norm: Factor | None = Field(gt=0, description="largest gradient norm; or null")
    clip: Clip = Field(
        description="whether clip_norm bounds the norm of all gradients together "
        "(global), or of each weight's gradient (each)"
    )
    adam: Adam
    adamw: AdamW
    adagrad: Adagrad
    sgd: Sgd

    @model_validator(mode="after")
    def _clipping_has_a_norm(self) -> Self:
        if self.clip == "each" and self.clip_norm is None:
            raise ValueError(
                "clip is 'each' but clip_norm is null, so nothing is clipped; give a "
                "clip_norm, or set clip to global"
            )
        return self

    def build(self, learning_rate: Any) -> "keras.optimizers.Optimizer":
        """Return the optimiser.

        Args:
            learning_rate: a number or a Keras schedule.
        """
        import keras

        made = self.chosen.keras_class()
        options = self.chosen.model_dump()
        if self.clip_norm is not None:
            name = {"global": "global_clipnorm", "each": "clipnorm"}[self.clip]
            options[name] = self.clip_norm
            if keras.backend.backend() == "tensorflow":
                made = _with_whole_gradients(made)
        optimizer: keras.optimizers.Optimizer = made(
            learning_rate=learning_rate, **options
        )
        return optimizer


def decays(weight: "keras.Variable") -> bool:
    """Return whether weight decay applies to a weight: to tables and kernels.

    Scalars and vectors (log τ, biases, norm scales) are exempt: 0 is no natural value
    for them.
    """
    return len(weight.shape) > 1


def exclude_from_decay(
    optimizer: "keras.optimizers.Optimizer", weights: Sequence["keras.Variable"]
) -> None:
    """Exempt weights that must not decay; call it before the optimiser is built."""
    optimizer.exclude_from_weight_decay([w for w in weights if not decays(w)])


def _with_whole_gradients(base: Any) -> Any:
    """Return an optimiser that clips a table's gradient by its true norm.

    TensorFlow's gradient of a lookup lists one row per looked-up id, and Keras takes
    the norm of that list: an id that occurs twice counts as two.
    """
    import tensorflow as tf

    class WholeGradients(base):
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            whole = [g if g is None else tf.convert_to_tensor(g) for g in grads]
            super().apply(whole, trainable_variables)

    return WholeGradients
