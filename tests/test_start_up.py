"""Opening the project imports none of the heavy libraries that its nodes use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
HEAVY = ["annoy", "jax", "keras", "plotly", "pyspark", "tensorflow"]
REPORT = f"""
import json, sys
seen = sorted(set({HEAVY}) & set(sys.modules))
print("SEEN", json.dumps(seen))
"""
# `kedro registry list`, as the command line runs it.
REGISTRY_LIST = """
from kedro.framework.cli.cli import KedroCLI
from pathlib import Path
KedroCLI(Path.cwd()).main(["registry", "list"], standalone_mode=False)
"""
# What `kedro viz build` does in a process of its own, in this one.
VIZ_BUILD = """
import os, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_viz.integrations.deployment.local_deployer import LocalDeployer
from kedro_viz.server import load_and_populate_data
bootstrap_project(Path.cwd())
load_and_populate_data(Path.cwd(), include_hooks=True, package_name="two_tower")
os.chdir(sys.argv[1])
LocalDeployer().deploy(is_all_previews_enabled=False)
"""
CATALOG = """
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
with KedroSession.create(save_on_close=False) as session:
    catalog = session.load_context().catalog
    assert all(catalog[name] is not None for name in catalog)
"""


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param(REGISTRY_LIST, id="kedro registry list"),
        pytest.param(VIZ_BUILD, id="kedro viz build"),
        pytest.param(CATALOG, id="every dataset of the catalog"),
    ],
)
def test_start_up_stays_light(opening, tmp_path):
    done = subprocess.run(  # noqa: S603 - this very Python, code of this file
        [sys.executable, "-c", opening + REPORT, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.rpartition("SEEN ")[2])
    assert seen == []
