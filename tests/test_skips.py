"""Skipped tests fail in CI, except those without GPU or real data; see skips.py."""

import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest

def test_without_chromium():
    pytest.skip("no chromium")

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""
ALLOWED_SKIPS = """
import pytest

@pytest.mark.gpu
def test_on_a_gpu():
    pytest.skip("no GPU")

@pytest.fixture(scope="module")
def ratings():
    pytest.skip("no archive")

@pytest.mark.movielens
def test_real_ratings(ratings):
    pass
"""


def run_pytest(folder: Path, test: str, ci: str) -> subprocess.CompletedProcess[str]:
    plugin = Path(__file__).with_name("skips.py")
    (folder / "conftest.py").write_bytes(plugin.read_bytes())
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  gpu\n  movielens")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={"CI": ci, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skipped_test_fails_in_ci(tmp_path):
    done = run_pytest(tmp_path, SKIPS, ci="true")
    assert "skipped, which is a failure in CI" in done.stdout
    assert "1 failed, 1 xfailed" in done.stdout


def test_a_skipped_module_fails_in_ci(tmp_path):
    module = "import pytest\npytest.importorskip('no_such_module')"
    assert "1 error" in run_pytest(tmp_path, module, ci="true").stdout


@pytest.mark.parametrize(("test", "ci"), [(SKIPS, ""), (ALLOWED_SKIPS, "true")])
def test_a_skip_outside_of_ci_or_without_gpu_or_real_data_is_allowed(
    tmp_path, test, ci
):
    assert run_pytest(tmp_path, test, ci).returncode == 0
