"""The notebooks run on a finished project."""

import json
import subprocess
import sys

import pytest

from tests.project import SOURCE, environment

NOTEBOOKS = sorted((SOURCE / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(notebook, finished_project, tmp_path):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    # The line that a user adds for another data set than the default.
    code.insert(1, "%reload_kedro --env test")
    script = tmp_path / "notebook.ipy"
    script.write_text("\n\n".join(code) + "\nprint('to the end')\n")
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-m", "IPython", "--no-banner", str(script)],
        cwd=finished_project.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "to the end" in done.stdout, done.stdout + done.stderr
