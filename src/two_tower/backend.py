"""Selection of the Keras back end, and an import of Keras without its messages."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

STDERR = 2


def choose_backend(name: str) -> None:
    """Select the back end `name` before Keras is imported.

    Raises:
        RuntimeError: Keras is already imported, with another back end.
    """
    keras = sys.modules.get("keras")
    if keras is not None and keras.config.backend() != name:
        raise RuntimeError(
            f"training.backend is {name!r}, but this process has already imported "
            f"Keras with {keras.config.backend()!r}; start a new process"
        )
    os.environ["KERAS_BACKEND"] = name
    # Level 2 hides info and warnings of TensorFlow's C++ code, not its errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def import_keras_quietly() -> None:
    """Import Keras; what its back end writes to stderr goes to the debug log."""
    if "keras" in sys.modules:
        return
    with _stderr_to_debug_log():
        import keras

        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            # Without a driver, the first search for a GPU writes warnings.
            tf.config.list_physical_devices("GPU")


@contextmanager
def _stderr_to_debug_log() -> Iterator[None]:
    """Redirect stderr, that of C++ code included, to the debug log."""
    sys.stderr.flush()
    original = os.dup(STDERR)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, STDERR)
            os.close(original)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                logger.debug("%s", line)
