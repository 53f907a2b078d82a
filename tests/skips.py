"""Pytest hooks that fail skipped tests in CI, except those that CI can't run.

Not every machine has a GPU, and GroupLens doesn't allow most archives to be passed on
with the project. CI has or installs everything else.
"""

import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

MAY_SKIP = ("gpu", "movielens")  # markers of pyproject.toml
NVIDIA_DRIVER = Path("/dev/nvidiactl")  # much faster to find than a TensorFlow device


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not NVIDIA_DRIVER.exists():
        pytest.skip("needs a GPU")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    may_skip = any(item.get_closest_marker(name) for name in MAY_SKIP)
    return report if may_skip else _fail_if_skipped(report)


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
