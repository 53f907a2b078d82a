"""Kedro-Viz in headless Chromium: the first view, a box, a table, the towers, a plot.

`make screenshot` runs it with `--screenshot FILE`: it then shows the outputs of this
repository's own last run, and keeps the picture of the first view.
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
WINDOW = {"width": 1600, "height": 1000}
LEGIBLE = 8  # height of text, in pixels; a picture has two for each
# The tour of a first visit would hide part of the graph.
NO_TOUR = json.dumps(json.dumps({"showFeatureHints": False}))


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return where `kedro viz run` serves a finished project."""
    if request.config.getoption("--screenshot"):
        project, env = Project(SOURCE), "simulated"
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
        page = browser.new_page(viewport=WINDOW, device_scale_factor=2)
        page.set_default_timeout(PATIENCE * 1000)
        page.add_init_script(f"localStorage.setItem('KedroViz', {NO_TOUR})")
        page.goto(address)
        page.locator(".pipeline-node").first.wait_for()
        settle(page)
        yield page
        browser.close()


def settle(page) -> None:
    """Wait until the graph has moved into place."""
    before, now = None, rectangles(page, ".pipeline-node")
    while before != now:
        page.wait_for_timeout(1000)
        before, now = now, rectangles(page, ".pipeline-node")


def boxes(page) -> set[str]:
    return set(page.locator(".pipeline-node--modularPipeline").all_text_contents())


def nodes(page) -> set[str]:
    return set(page.locator(".pipeline-node--task").all_text_contents())


def rectangles(page, selector: str) -> list[dict[str, float]]:
    """Return the places of the elements in the window, after all scaling."""
    places = "elements => elements.map(one => one.getBoundingClientRect().toJSON())"
    return page.locator(selector).evaluate_all(places)


# covers: X18
def test_the_first_view_shows_a_legible_box_for_each_pipeline(page, request):
    assert boxes(page) == {"data", "model", "evaluation", "recommendation"}
    assert not nodes(page)
    texts = rectangles(page, ".pipeline-node__text")
    assert min(round(text["height"], 3) for text in texts) >= LEGIBLE
    (menu,) = rectangles(page, ".pipeline-sidebar--visible")
    (overview,) = rectangles(page, ".pipeline-minimap")
    assert all(menu["right"] < text["left"] for text in texts)
    assert all(text["right"] < WINDOW["width"] for text in texts)
    assert all(0 < text["top"] < text["bottom"] < WINDOW["height"] for text in texts)
    assert not any(
        text["left"] < overview["right"] and text["bottom"] > overview["top"]
        for text in texts
    )
    layers = page.locator(".pipeline-layer-name").all_text_contents()
    assert layers == [
        "raw",
        "intermediate",
        "feature",
        "model_input",
        "model_output",
        "reporting",
    ]
    if screenshot := request.config.getoption("--screenshot"):
        take_picture(page, screenshot)


def take_picture(page, path: str) -> None:
    """Show the first view without the menu, the map of the graph and notices."""
    for button in ("Hide menu", "Turn minimap off", "Dismiss", "Reset zoom"):
        found = page.get_by_role("button", name=button)
        if found.count():
            found.first.click()
            page.mouse.move(0, 0)  # off the button and its hint
            settle(page)
    page.screenshot(path=path)


# covers: X18
def test_a_box_opens_into_its_parts_and_their_nodes(page):
    for box in ("data", "data.ingestion"):
        page.locator(f'.pipeline-node[data-id="{box}"]').click()
        settle(page)
    assert boxes(page) == {"data.sequencing", "model", "evaluation", "recommendation"}
    assert nodes(page) == {
        "type_interactions",
        "type_items",
        "type_users",
        "report_ingestion",
    }
    assert "interactions" in page.locator(".pipeline-node--data").all_text_contents()


def test_a_table_has_its_statistics_and_first_rows(page, address):
    open_panel(page, address, "recommendations")
    statistics = page.locator(".pipeline-metadata-value__stats")
    statistics.get_by_text("8", exact=True).wait_for()  # columns
    assert "N/A" not in statistics.all_text_contents()
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
        "similar_history_titles",
    ]


def test_the_towers_in_force_are_drawn_legibly(page, address):
    open_panel(page, address, "train_two_tower")
    page.get_by_role("button", name="Expand preview").click()
    boxes = ".pipeline-metadata-modal svg .node"
    page.locator(boxes).first.wait_for()
    page.wait_for_timeout(1000)
    texts = page.locator(boxes).all_text_contents()
    assert any("history: transformer" in text for text in texts)
    lines = rectangles(page, f"{boxes} b")
    assert min(line["height"] for line in lines) > LEGIBLE
    places = rectangles(page, boxes)
    assert all(0 < box["top"] < box["bottom"] < WINDOW["height"] for box in places)


def test_a_plot_is_shown(page, address):
    open_panel(page, address, "learning_curves")
    page.locator(".pipeline-metadata .js-plotly-plot .trace").first.wait_for()


def open_panel(page, address: str, name: str) -> None:
    page.goto(f"{address}/?pid=__default__&sn={name}")
    page.locator(".pipeline-metadata__title").get_by_text(name, exact=True).wait_for()
