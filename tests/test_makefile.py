"""`make` on machines that lack what the installation needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.project import SOURCE

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def make(folder: Path, target: str, tools: list[str], **variables: str):
    """Run `make` in a copy of the project with these tools alone on the PATH."""
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(SOURCE / name, folder)
    path = folder / "tools"
    path.mkdir()
    for tool in tools:
        (path / Path(tool).name).symlink_to(shutil.which(tool))
    return subprocess.run(  # noqa: S603 - the project's own Makefile
        [MAKE, target, *(f"{name}={value}" for name, value in variables.items())],
        cwd=folder,
        env={"PATH": str(path), "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", ["run", "test"])
def test_without_a_compiler_nothing_is_installed(tmp_path, target):
    done = make(tmp_path, target, ["cksum"], PYTHON=sys.executable)
    assert done.returncode != 0
    said, _make_says = done.stderr.splitlines()
    assert said.startswith("two-tower needs a C++ compiler to build Annoy; install one")
    assert "apt-get install g++" in said
    assert not (tmp_path / ".venv").exists()


def test_with_a_compiler_the_installation_begins(tmp_path):
    compiler = (sysconfig.get_config_var("CXX") or "c++").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"the compiler {compiler} is not installed")
    python = tmp_path / "python"
    python.write_text(f"""#!/bin/bash
[ "$1" = -m ] && echo "installs: $*" && exit 1
exec {sys.executable} "$@"
""")
    python.chmod(0o755)
    done = make(tmp_path, "run", ["cksum", compiler], PYTHON=str(python))
    assert "installs: -m venv .venv" in done.stdout


def test_without_python_the_versions_are_named(tmp_path):
    done = make(tmp_path, "run", ["cksum"])
    assert "two-tower needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (tmp_path / ".venv").exists()
