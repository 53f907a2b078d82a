"""Kedro-Viz in headless Chromium: the graph, a table, the towers, a plot.

`make screenshot` runs it with `--screenshot FILE`: it then shows the outputs of this
repository's own last run, and keeps the picture.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.project import SOURCE, Project, environment

pytestmark = pytest.mark.browser

PATIENCE = 120  # seconds; a busy machine takes long to open the project
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# No tour, no hints and no overview map over the graph.
VIZ_STATE = {
    "showFeatureHints": False,
    "visible": {"graph": True, "sidebar": True, "miniMap": False, "slicing": False},
}


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return where `kedro viz run` serves a finished project."""
    if request.config.getoption("--screenshot"):
        project, env = Project(SOURCE), "local"
    else:
        project, env = request.getfixturevalue("finished_project"), "test"
    port = free_port()
    command = [sys.executable, "-m", "kedro", "viz", "run", "--env", env]
    server = subprocess.Popen(  # noqa: S603 - this very Python
        [*command, "--no-browser", "--port", str(port)],
        cwd=project.folder,
        env=environment(),
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/api/main", server)
        yield address
    finally:
        # The command serves from a process of its own: end its whole group.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def free_port() -> int:
    """Return a free port below those that Kedro-Viz refuses."""
    for port in random.sample(range(20_000, 49_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("found no free port")


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=10).close()  # noqa: S310 - our server
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"kedro viz does not answer at {url}")


@pytest.fixture
def page(address):
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_FLAGS
        )
        page = browser.new_page(
            viewport={"width": 1400, "height": 1300}, device_scale_factor=2
        )
        page.set_default_timeout(PATIENCE * 1000)
        state = json.dumps(json.dumps(VIZ_STATE))
        page.add_init_script(f"localStorage.setItem('KedroViz', {state})")
        page.goto(address)
        page.locator(".pipeline-node").first.wait_for()
        yield page
        browser.close()


def test_the_graph_the_tables_the_towers_and_the_plots_are_shown(
    page, address, request
):
    drawn = page.locator(".pipeline-node").all_text_contents()
    assert sorted(drawn) == sorted(declared_nodes(address))
    assert {"build_item_index", "histories", "recommendations"} <= set(drawn)
    layers = page.locator(".pipeline-layer-name").all_text_contents()
    assert layers[0] == "raw"
    assert layers[-1] == "reporting"

    open_node(page, "recommendations")
    page.get_by_role("button", name="Expand preview").click()
    header = page.locator(".pipeline-metadata-modal .preview-table__header")
    header.first.wait_for()
    assert header.all_text_contents() == [
        "user_id",
        "rank",
        "item_id",
        "title",
        "score",
        "vector_index",
        "similar_history_items",
    ]
    page.locator(".pipeline-metadata-modal__back").click()

    open_node(page, "train_two_tower")
    page.locator(".pipeline-metadata svg .node").first.wait_for()

    open_node(page, "learning_curves")
    page.locator(".pipeline-metadata .js-plotly-plot .trace").first.wait_for()
    if screenshot := request.config.getoption("--screenshot"):
        take_picture(page, screenshot)


def take_picture(page, path: str) -> None:
    """Show the whole graph in the room that the menu leaves; both moves take time."""
    for button in ("Hide menu", "Reset zoom"):
        page.get_by_role("button", name=button).click()
        page.mouse.move(0, 0)  # off the button and its hint
        page.wait_for_timeout(2000)
    page.screenshot(path=path)


def declared_nodes(address: str) -> list[str]:
    """Return the names of all nodes and datasets; parameters are hidden at first."""
    with urllib.request.urlopen(f"{address}/api/main", timeout=60) as answer:  # noqa: S310
        nodes = json.load(answer)["nodes"]
    return [node["name"] for node in nodes if node["type"] != "parameters"]


def open_node(page, name: str) -> None:
    page.locator("button.row-text").get_by_text(name, exact=True).click()
    page.locator(".pipeline-metadata__title").get_by_text(name, exact=True).wait_for()
