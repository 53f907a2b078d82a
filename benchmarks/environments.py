"""Virtual environments for libraries that can't share this project's."""

import hashlib
import shutil
import subprocess
from pathlib import Path

PYTHON = "python3.11"  # the newest that all peers run on


def make_environment(folder: Path, requirements: Path) -> Path:
    """Return the Python of an environment with these requirements, made if need be.

    Args:
        folder: of the environment; another one's, or an unfinished one, is replaced.
        requirements: a pip requirements file of exact versions.

    Raises:
        FileNotFoundError: there is no Python 3.11 on the path.
        subprocess.CalledProcessError: pip could not install a requirement.
    """
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    base = shutil.which(PYTHON)
    if base is None:
        raise FileNotFoundError(
            f"the peers' libraries need {PYTHON}, which is not on the path; install "
            "it, or name contenders of this project alone"
        )
    subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
    # Isolated: what this process's own environment adds to the path is not theirs.
    pip = [str(python), "-I", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python
