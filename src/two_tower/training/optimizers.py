"""Optimisers and learning-rate schedules by name."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from two_tower.types import Clip, OptimizerKind


def cosine_with_warmup(
    *, peak: float, final_share: float, warmup_steps: int, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a rate that rises in a line to `peak`, then falls along a half cosine.

    Args:
        peak: the highest rate.
        final_share: the last rate as a share of the peak, in [0, 1].
        warmup_steps: steps of the rise; 0 starts at the peak.
        total_steps: steps of all training, the rise included.
    """
    falling = max(total_steps - warmup_steps, 1)
    if not warmup_steps:
        return keras.optimizers.schedules.CosineDecay(peak, falling, alpha=final_share)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        falling,
        alpha=final_share,
        warmup_target=peak,
        warmup_steps=warmup_steps,
    )


def exponential(
    *, first: float, per_epoch: float, steps_per_epoch: int, staircase: bool
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a rate that falls by the factor `per_epoch` with each epoch.

    Args:
        first: the rate of the first step.
        per_epoch: the factor, in (0, 1].
        steps_per_epoch: steps of an epoch.
        staircase: whether it falls between epochs alone, not a little in each step.
    """
    return keras.optimizers.schedules.ExponentialDecay(
        first, steps_per_epoch, per_epoch, staircase=staircase
    )


class OptimizerOptions(NamedTuple):
    """What the optimisers can be told; each takes what is its own.

    Attributes:
        beta_2: of Adam and AdamW, the memory of squared gradients.
        epsilon: added to denominators; of all but SGD.
        initial_accumulator: of Adagrad, what the sums of squares begin with.
        momentum: of SGD.
        weight_decay: of AdamW, decoupled from the gradient; of `decays` alone.
        clip_norm: the norm that gradients are cut to; None for no cut.
        clip: whether that is the norm of all gradients together, `global`, or of `each`
            tensor's alone.
    """

    beta_2: float
    epsilon: float
    initial_accumulator: float
    momentum: float
    weight_decay: float
    clip_norm: float | None
    clip: Clip = "global"


def decays(weight: keras.Variable) -> bool:
    """Return whether weight decay may draw a weight towards 0.

    Tables and kernels are matrices. Of scalars and vectors (log τ, biases, the scales
    of norms) 0 is no plainer value than another.
    """
    return len(weight.shape) > 1


def exclude_from_decay(
    optimizer: keras.optimizers.Optimizer, weights: Sequence[keras.Variable]
) -> None:
    """Let the optimiser, not yet built, decay only those of its weights that may be."""
    optimizer.exclude_from_weight_decay([w for w in weights if not decays(w)])


def make_optimizer(
    kind: OptimizerKind, *, learning_rate: Any, options: OptimizerOptions
) -> keras.optimizers.Optimizer:
    """Return an optimiser.

    Args:
        kind: which one.
        learning_rate: a number or a schedule.
        options: of which it takes its own.
    """
    shared: dict[str, Any] = {"learning_rate": learning_rate}
    if options.clip_norm is not None:
        clip = {"global": "global_clipnorm", "each": "clipnorm"}[options.clip]
        shared[clip] = options.clip_norm
    match kind:
        case "adam":
            own = {"beta_2": options.beta_2, "epsilon": options.epsilon}
            made = keras.optimizers.Adam
        case "adamw":
            own = {
                "beta_2": options.beta_2,
                "epsilon": options.epsilon,
                "weight_decay": options.weight_decay,
            }
            made = keras.optimizers.AdamW
        case "adagrad":
            own = {
                "initial_accumulator_value": options.initial_accumulator,
                "epsilon": options.epsilon,
            }
            made = keras.optimizers.Adagrad
        case "sgd":
            own = {"momentum": options.momentum}
            made = keras.optimizers.SGD
    if options.clip_norm is not None and keras.backend.backend() == "tensorflow":
        made = _with_whole_gradients(made)
    return made(**own, **shared)


def _with_whole_gradients(
    base: type[keras.optimizers.Optimizer],
) -> type[keras.optimizers.Optimizer]:
    """Return an optimiser that clips a table's gradient by the norm that it has.

    TensorFlow's gradient of a lookup is a list of rows, one for each id that was looked
    up, and Keras takes the norm of the list: as if an id that occurs twice were two.
    """
    import tensorflow as tf

    class WholeGradients(base):
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            whole = [g if g is None else tf.convert_to_tensor(g) for g in grads]
            super().apply(whole, trainable_variables)

    return WholeGradients
