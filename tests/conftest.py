"""What all tests share: the back end, the real data, and what a skip means in CI."""

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest

# Before any test imports Keras; `make test` runs those marked `backend` on JAX too.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

PROJECT = Path(__file__).parents[1]
REAL_DATA = PROJECT.parent / "shared" / "data"
NVIDIA_DRIVER = Path("/dev/nvidiactl")  # far quicker to see than a TensorFlow device


@pytest.fixture
def real_archive() -> Callable[[str], Path]:
    """Return the path of a real MovieLens archive, or skip the test without it."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.is_file():
            pytest.skip(f"the real MovieLens archive {path} is not there")
        return path

    return find


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not NVIDIA_DRIVER.exists():
        pytest.skip("needs a GPU")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # A machine without a GPU can't help it; all else CI has or installs.
    return report if item.get_closest_marker("gpu") else _fail_if_skipped(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[
    None, pytest.CollectReport, pytest.CollectReport
]:
    return _fail_if_skipped((yield))


def _fail_if_skipped(report: Report) -> Report:
    if (
        os.environ.get("CI") == "true"
        and report.skipped
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    return report
