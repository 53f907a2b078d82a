import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import measure
from benchmarks.environments import own_requirements
from benchmarks.peers import preset_and_backend, read_dimensions, speed, table


def run(contender, seed, hits):
    metrics = {f"hr@{k}": hits for k in (10, 50, 100)}
    return {
        "contender": contender,
        "seed": seed,
        **metrics,
        "ndcg@10": hits / 2,
        "pairs_per_second": 1000.0 * seed,
        "start_seconds": 2.0,
        "peak_bytes": 1_500_000_000,
    }


def test_speed_excludes_the_first_epoch():
    # 100 pairs in (4 + 6) / 2 seconds; the first epoch took 7 seconds more.
    assert speed(100, [12.0, 4.0, 6.0]) == {
        "pairs_per_second": 20.0,
        "start_seconds": 7.0,
    }


def test_the_table_has_a_row_of_means_per_contender():
    lines = table([run("tfrs", 1, 0.1), run("tfrs", 2, 0.2), run("mine", 1, 0.3)])
    rows = [[cell.strip() for cell in line.split("|")] for line in lines.splitlines()]
    assert rows[2][1:-1] == [
        *["TensorFlow Recommenders 0.7.7", "0.150", "0.150", "0.150", "0.075"],
        *["1,500", "2.0", "1,500"],
    ]
    assert rows[3][1] == "two-tower, `mine`"
    assert len(rows) == 4


LOCK = "# locked\nkeras==3.1\ntensorflow==2.9.1\nwrapt==1.0\n"
DEV_LOCK = "jax==0.5 ; python_version < '3.12'\njaxlib==0.5\ntensorflow==2.9.1\n"


def test_requirements_are_locked_with_tensorflow_without_gpu():
    lines = own_requirements("tensorflow", LOCK, DEV_LOCK).split("\n")
    assert lines == ["# locked", "keras==3.1", "tensorflow-cpu==2.9.1", "wrapt==1.0"]


def test_requirements_of_jax_have_no_tensorflow():
    lines = own_requirements("jax", LOCK, DEV_LOCK).split("\n")
    assert lines[1:3] == ["keras==3.1", "wrapt==1.0"]
    assert lines[3:] == ["jax==0.5 ; python_version < '3.12'", "jaxlib==0.5"]


class Presets:
    """A project whose preset `mean` has a history and `plain` has none."""

    def parameters(self, given):
        history = {"mean": "mean", "plain": "none"}[given["preset"]]
        return {
            "training": SimpleNamespace(
                history=SimpleNamespace(kind=history), dimension=32
            )
        }


def test_a_preset_with_a_history_is_refused():
    with pytest.raises(ValueError, match="mean@jax has a history"):
        read_dimensions(["tfrs", "plain", "mean@jax"], Presets())


def test_the_dimension_of_a_preset_is_read_from_its_parameters():
    names = ["tfrs", "plain", "plain@jax"]
    assert read_dimensions(names, Presets()) == {"plain": 32, "plain@jax": 32}


def test_a_contender_may_name_a_back_end():
    assert preset_and_backend("plain") == ("plain", "tensorflow")
    assert preset_and_backend("plain@jax") == ("plain", "jax")
    with pytest.raises(ValueError, match="torch is none of tensorflow, jax"):
        preset_and_backend("plain@torch")


@pytest.mark.skipif(sys.platform == "win32", reason="no peak of memory to read")
def test_peak_memory_and_exit_status_of_a_command_are_reported(tmp_path):
    report = tmp_path / "report.json"
    megabytes = 300
    code = f"import sys; x = bytearray({megabytes} << 20); sys.exit(3)"
    script = Path(measure.__file__)
    command = [sys.executable, "-S", script, report, sys.executable, "-c", code]
    done = subprocess.run(command, check=False)  # noqa: S603 - this very Python
    peak = json.loads(report.read_text())["peak_bytes"]
    assert done.returncode == 3
    assert megabytes << 20 < peak < (megabytes + 100) << 20
