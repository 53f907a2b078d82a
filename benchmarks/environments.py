"""Virtual environments of their own: what is compared must be installed alike."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

PYTHON = "python3.11"  # the newest that all peers run on
TENSORFLOW = "tensorflow=="
OF_JAX = ("jax==", "jaxlib==")


def own_requirements(backend: str, lock: str, dev_lock: str) -> str:
    """Return what this project needs to train with one back end on a CPU, and no more.

    Args:
        backend: `tensorflow`, which becomes the build without GPU, or `jax`, which
            takes TensorFlow's place.
        lock: the project's requirements, all of them.
        dev_lock: where those of JAX are.
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
    """Return the Python of an environment with these requirements, made if need be.

    Args:
        folder: of the environment; another one's, or an unfinished one, is replaced.
        requirements: in pip's format, exact versions.
        whole: they name every package, and pip adds none that they depend on. Keras'
            and TFRS' packages ask for `tensorflow`, which `tensorflow-cpu` isn't.

    Raises:
        FileNotFoundError: there is no Python 3.11 on the path.
        subprocess.CalledProcessError: pip could not install a requirement.
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
    # Isolated: what this process's own environment adds to the path is not theirs.
    pip = [str(python), "-I", "-m", "pip", "install", "--quiet"]
    alone = ["--no-deps"] if whole else []
    subprocess.run([*pip, *alone, "--requirement", str(listed)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python
