"""Run a command and write how much memory it needed: `measure.py REPORT COMMAND…`.

A process of its own, and a small one: a child's peak begins with its parent's.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

KIB = 1024  # of getrusage on Linux; macOS counts in bytes


def main() -> int:
    """Return the command's exit status, once its peak and duration are written."""
    report, *command = sys.argv[1:]
    began = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    figures = {
        "peak_bytes": peak * (1 if sys.platform == "darwin" else KIB),
        "process_seconds": seconds,
    }
    Path(report).write_text(json.dumps(figures), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
