"""Choice of the device that trains."""

import logging

import keras

from two_tower.types import DeviceKind

logger = logging.getLogger(__name__)


def choose_device(asked: DeviceKind) -> str:
    """Choose the device that trains, and log it.

    Args:
        asked: `auto` takes a GPU if there is one.

    Returns:
        "cpu" or "gpu".

    Raises:
        ValueError: if `asked` is `gpu` and there is none.
    """
    n_gpus = _count_gpus()
    if asked == "gpu" and not n_gpus:
        raise ValueError(
            f"training.device is 'gpu' but {keras.backend.backend()} sees no GPU. "
            "Install a driver and its CUDA build (pip install 'tensorflow[and-cuda]' "
            "or 'jax[cuda12]'), or set training.device to auto or cpu."
        )
    if asked == "cpu" and n_gpus:
        _hide_gpus()
    chosen = "gpu" if n_gpus and asked != "cpu" else "cpu"
    logger.info("training on the %s with %s", chosen.upper(), keras.backend.backend())
    return chosen


def _count_gpus() -> int:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    import jax

    return sum(device.platform == "gpu" for device in jax.devices())


def _hide_gpus() -> None:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
    else:
        import jax

        jax.config.update("jax_default_device", jax.devices("cpu")[0])  # type: ignore[no-untyped-call]
