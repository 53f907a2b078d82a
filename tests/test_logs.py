import io
import logging

import pytest
from kedro.logging import RichHandler
from rich.console import Console

from two_tower.logs import RUNNERS, make_logs_plain, quiet_runners

CHANGED = (*RUNNERS, "kedro.io.data_catalog", "kedro.pipeline.node")


@pytest.fixture
def shown():
    """Return what a handler like that of Kedro's own configuration writes."""
    written = io.StringIO()
    handler = RichHandler(console=Console(file=written, width=200), markup=True)
    root = logging.getLogger()
    root.addHandler(handler)
    yield written.getvalue
    root.removeHandler(handler)
    for name in CHANGED:
        logger = logging.getLogger(name)
        logger.filters.clear()
        logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    "title", ["Dune [paperback]", "Dune [/b]", "[bold]Dune[/bold]"]
)
def test_a_title_with_brackets_is_shown_as_it_is(shown, title):
    make_logs_plain()
    logging.getLogger("two_tower").info("nearest: %s", title)
    logging.getLogger("kedro.io.data_catalog").info(
        "Loading data from %s", "items", extra={"rich_format": ["dark_orange"]}
    )
    assert f"nearest: {title}" in shown()
    assert "dark_orange" not in shown()


def test_a_nodes_error_is_left_to_the_command(shown):
    make_logs_plain()
    logger = logging.getLogger("kedro.pipeline.node")
    logger.info("Running node: train")
    logger.error("Node train failed with error: \nno items")
    assert "Running node: train" in shown()
    assert "failed" not in shown()


@pytest.mark.parametrize("name", ["sequential", "parallel"])
def test_advice_that_misleads_is_dropped(shown, name):
    quiet_runners()
    logger = logging.getLogger(f"kedro.runner.{name}_runner")
    logger.info("Using synchronous mode for loading and saving data. Use the --async f")
    logger.warning("No nodes ran. Repeat the previous command to attempt a new run.")
    logger.info("Completed node: train")
    assert "Completed node: train" in shown()
    assert "--async" not in shown()
    assert "No nodes ran" not in shown()
