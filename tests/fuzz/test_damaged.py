"""Damaged artefacts are named or read as they were; see the module for more."""

import subprocess
import sys

from tests.project import SOURCE, environment


# covers: X34
def test_no_damage_is_silent_or_unnamed(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "project")
    command = [sys.executable, "-m", "tests.fuzz.damaged", "--count", "120"]
    done = subprocess.run(  # noqa: S603 - this very Python
        [*command, "--project", project.folder],
        cwd=SOURCE,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
