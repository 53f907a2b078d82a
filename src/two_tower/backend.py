"""Keras' back end: which one it is, and how to import it without noise."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

STDERR = 2


def choose_backend(name: str) -> None:
    """Make Keras use the back end `name` when it is imported.

    Raises:
        RuntimeError: Keras has been imported already, with another back end.
    """
    keras = sys.modules.get("keras")
    if keras is not None and keras.config.backend() != name:
        raise RuntimeError(
            f"training.backend is {name!r}, but this process has already imported "
            f"Keras with {keras.config.backend()!r}; start a new one"
        )
    os.environ["KERAS_BACKEND"] = name
    # Warnings of TensorFlow's C++ side speak to its developers; errors are shown.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def import_keras_quietly() -> None:
    """Import Keras without the lines that its back end writes before it has a log."""
    if "keras" in sys.modules:
        return
    with _stderr_to_debug_log():
        import keras

        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            # The first look for a GPU complains where there is no driver.
            tf.config.list_physical_devices("GPU")


@contextmanager
def _stderr_to_debug_log() -> Iterator[None]:
    """Send what this process, C++ included, writes to stderr to the log, as debug."""
    sys.stderr.flush()
    kept = os.dup(STDERR)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, STDERR)
            os.close(kept)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                logger.debug("%s", line)
