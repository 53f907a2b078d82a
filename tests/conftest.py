"""What all tests share: the back end, the real data, a project that has run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.project import SOURCE, Project
from tests.skips import (  # noqa: F401 - pytest finds these hooks here
    pytest_make_collect_report,
    pytest_runtest_makereport,
    pytest_runtest_setup,
)

# Before any test imports Keras; `make test` runs those marked `backend` on JAX too.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Several processes share a GPU, if there is one.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
# Kedro sets up logging when it is imported, for all tests that come after.
os.environ["KEDRO_LOGGING_CONFIG"] = str(SOURCE / "tests" / "logging.yml")

# How long an example takes says more of the machine than of the code.
settings.register_profile("two-tower", deadline=None)
settings.load_profile("two-tower")

REAL_DATA = SOURCE.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshot", help="keep the browser test's picture here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep in one process what shares costly fixtures: a file, the finished project."""
    for item in items:
        shares_project = bool(
            # Browser tests ask for the project by name, once they have a browser.
            item.get_closest_marker("browser")
            or "finished_project" in getattr(item, "fixturenames", ())
        )
        name = "finished_project" if shares_project else str(item.path)
        item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture
def real_archive() -> Callable[[str], Path]:
    """Return the path of a real MovieLens archive, or skip the test without it."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.is_file():
            pytest.skip(f"the real MovieLens archive {path} is not there")
        return path

    return find


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project that has simulated its data and run from end to end.

    Tests share it: one that runs anything works on a `copy`.
    """
    project = Project.create(tmp_path_factory.mktemp("finished") / "project")
    project.run("--pipelines", "simulation")
    project.run()
    return project
