"""Machine and commit of a measurement."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.project import ROOT


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, system and Python."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return {
        "cpu": cpu_name(),
        "cores": cores,
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def cpu_name() -> str:
    """Return the name of the processor, or what the system knows of it."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor()


def describe_commit() -> str | None:
    """Return the commit, with suffix `-dirty` if files differ; None without git."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or None
