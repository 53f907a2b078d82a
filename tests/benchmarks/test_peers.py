import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.peers import speed, table


def run(contender, seed, hits):
    figures = {f"hr@{k}": hits for k in (10, 50, 100)}
    return {
        "contender": contender,
        "seed": seed,
        **figures,
        "ndcg@10": hits / 2,
        "pairs_per_second": 1000.0 * seed,
        "start_seconds": 2.0,
        "peak_bytes": 1_500_000_000,
    }


def test_the_first_epoch_is_no_part_of_the_speed():
    # 100 pairs in (4 + 6) / 2 seconds; the first epoch took 7 seconds more than those.
    assert speed(100, [12.0, 4.0, 6.0]) == {
        "pairs_per_second": 20.0,
        "start_seconds": 7.0,
    }


def test_the_table_has_a_row_per_contender_with_the_means_over_its_seeds():
    lines = table([run("tfrs", 1, 0.1), run("tfrs", 2, 0.2), run("mine", 1, 0.3)])
    rows = [[cell.strip() for cell in line.split("|")] for line in lines.splitlines()]
    assert rows[2][1:-1] == [
        *["TensorFlow Recommenders 0.7.7", "0.150", "0.150", "0.150", "0.075"],
        *["1,500", "2.0", "1,500"],
    ]
    assert rows[3][1] == "two-tower, `mine`"
    assert len(rows) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="no peak of memory to read")
def test_a_commands_peak_of_memory_and_its_failure_are_seen(tmp_path):
    report = tmp_path / "report.json"
    megabytes = 300
    code = f"import sys; x = bytearray({megabytes} << 20); sys.exit(3)"
    script = Path(measure.__file__)
    command = [sys.executable, "-S", script, report, sys.executable, "-c", code]
    done = subprocess.run(command, check=False)  # noqa: S603 - this very Python
    peak = json.loads(report.read_text())["peak_bytes"]
    assert done.returncode == 3
    assert megabytes << 20 < peak < (megabytes + 100) << 20
