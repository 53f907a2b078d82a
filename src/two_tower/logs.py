"""Log lines of a command as plain text, and without lines that mislead."""

import logging
from typing import Final

from rich.logging import RichHandler

RUNNERS: Final = tuple(
    f"kedro.runner.{name}_runner" for name in ("sequential", "parallel")
)

MISLEADING: Final = ("Using synchronous mode", "No nodes ran.")
"""Starts of lines of Kedro's runners: advice to use --async, which this project does
not support, and advice to repeat a command whose error is yet to be told."""


def drop_misleading(record: logging.LogRecord) -> bool:
    """Return whether a runner's log line is shown."""
    return not record.getMessage().startswith(MISLEADING)


def drop_errors(record: logging.LogRecord) -> bool:
    """Return whether a line is below an error, which the command itself shows."""
    return record.levelno < logging.ERROR


def quiet_runners() -> None:
    """Drop misleading lines of Kedro's runners; another call changes nothing."""
    for name in RUNNERS:
        logging.getLogger(name).addFilter(drop_misleading)


def make_logs_plain() -> None:
    """Show texts with brackets as they are, and each error once.

    A title such as `[paperback]` looks like rich's markup. Kedro's own configuration,
    which holds where the project's conf/logging.yml is not found, has markup on.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RichHandler) and handler.markup:
            handler.markup = False
            # Its lines for each load and save have markup of their own.
            logging.getLogger("kedro.io.data_catalog").setLevel(logging.WARNING)
    logging.getLogger("kedro.pipeline.node").addFilter(drop_errors)
