"""Record of one run: its options, its data, the commit and the installed packages."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

RECORDED_PACKAGES: Final = (
    "annoy",
    "duckdb",
    "ibis-framework",
    "jax",
    "kedro",
    "keras",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "tensorflow",
)

RECORDED_OPTIONS: Final = (
    "tags",
    "from_nodes",
    "to_nodes",
    "node_names",
    "from_inputs",
    "to_outputs",
    "namespaces",
    "load_versions",
    "only_missing_outputs",
)
"""Options that choose nodes or versions, recorded where they were given."""


def describe_run(
    run_params: Mapping[str, Any],
    sources: Mapping[str, str],
    nodes: Mapping[str, Sequence[str]],
    error: Exception | None = None,
) -> dict[str, Any]:
    """Return the record of a run, made of JSON's types.

    Args:
        run_params: the run's options, as Kedro passes them to hooks.
        sources: datasets that no node made, name → fingerprint.
        nodes: `run`, the nodes whose outputs the run has made, and `not_run`: skipped
            because their outputs existed, or not reached because of the error.
        error: the error that ended the run; None: the run succeeded.
    """
    return {
        "run": run_params["run_id"],
        "error": f"{type(error).__name__}: {error}" if error else None,
        "env": run_params["env"],
        "pipelines": run_params["pipeline_names"] or ["__default__"],
        "params": run_params["runtime_params"],
        "options": {
            name: run_params[name] for name in RECORDED_OPTIONS if run_params.get(name)
        },
        "nodes": {name: list(chosen) for name, chosen in nodes.items()},
        "sources": dict(sources),
        "commit": _commit(Path(run_params["project_path"])),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _versions(),
    }


def _versions() -> dict[str, str]:
    installed = {}
    for package in RECORDED_PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _commit(project: Path) -> str | None:
    """Return the commit of the project's folder; None without git or a repository."""
    command = ["git", "-C", str(project), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
