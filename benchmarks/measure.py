"""Run a command and write its peak memory: `measure.py REPORT COMMAND…`.

This process is small on purpose: the peak of a child starts at that of its parent.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

KIB = 1024  # of getrusage on Linux; macOS counts in bytes


def main() -> int:
    """Write the command's peak memory and duration, and return its exit status."""
    report, *command = sys.argv[1:]
    began = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    measured = {
        "peak_bytes": peak * (1 if sys.platform == "darwin" else KIB),
        "process_seconds": seconds,
    }
    Path(report).write_text(json.dumps(measured), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
