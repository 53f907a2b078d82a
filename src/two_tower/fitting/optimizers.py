"""Optimisers and learning-rate schedules by name."""

from typing import Any, Literal

import keras

OptimizerKind = Literal["adam", "adamw", "adagrad"]


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


def make_optimizer(
    kind: OptimizerKind,
    *,
    learning_rate: Any,
    weight_decay: float,
    beta_2: float,
    epsilon: float,
    clip_norm: float | None,
) -> keras.optimizers.Optimizer:
    """Return an optimiser.

    Args:
        kind: which one.
        learning_rate: a number or a schedule.
        weight_decay: of AdamW, decoupled from the gradient; the others ignore it.
        beta_2: of Adam and AdamW, the memory of squared gradients.
        epsilon: added to denominators.
        clip_norm: the global norm that gradients are cut to; None for no cut.
    """
    shared = {
        "learning_rate": learning_rate,
        "epsilon": epsilon,
        "global_clipnorm": clip_norm,
    }
    match kind:
        case "adam":
            return keras.optimizers.Adam(beta_2=beta_2, **shared)
        case "adamw":
            return keras.optimizers.AdamW(
                beta_2=beta_2, weight_decay=weight_decay, **shared
            )
        case "adagrad":
            return keras.optimizers.Adagrad(**shared)
