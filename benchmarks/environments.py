"""Virtual environments of the libraries that are compared."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

PYTHON = "python3.11"  # the newest that all peers run on
TENSORFLOW = "tensorflow=="
OF_JAX = ("jax==", "jaxlib==")


def own_requirements(backend: str, lock: str, dev_lock: str) -> str:
    """Return the requirements of this project for training with one back end on a CPU.

    Args:
        backend: `tensorflow`, replaced by its build without GPU, or `jax`, which
            replaces TensorFlow.
        lock: all requirements of the project.
        dev_lock: requirements of development, with those of JAX.
    """
    lines = lock.splitlines()
    if backend == "tensorflow":
        return "\n".join(
            re.sub(f"^{TENSORFLOW}", "tensorflow-cpu==", line) for line in lines
        )
    of_jax = [line for line in dev_lock.splitlines() if line.startswith(OF_JAX)]
    kept = [line for line in lines if not line.startswith(TENSORFLOW)]
    return "\n".join([*kept, *of_jax])


def make_environment(folder: Path, requirements: str, *, whole: bool) -> Path:
    """Return the Python of an environment with these requirements; create it if needed.

    Args:
        folder: of the environment; an unfinished or different one is replaced.
        requirements: exact versions in pip's format.
        whole: whether they name every package, so that pip adds no dependencies: those
            of Keras and TFRS name `tensorflow`, which would come beside
            `tensorflow-cpu`.

    Raises:
        FileNotFoundError: if there is no Python 3.11 on the path.
        subprocess.CalledProcessError: if pip fails.
    """
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    wanted = hashlib.sha256(requirements.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    base = shutil.which(PYTHON)
    if base is None:
        raise FileNotFoundError(
            f"the environments need {PYTHON}, which is not on the path; install it"
        )
    subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
    listed = folder / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    # Isolated from the paths of this process.
    pip = [str(python), "-I", "-m", "pip", "install", "--quiet"]
    alone = ["--no-deps"] if whole else []
    subprocess.run([*pip, *alone, "--requirement", str(listed)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python
