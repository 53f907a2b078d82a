"""Files of the configuration, in a folder or in an archive."""

from pathlib import PurePosixPath
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import DictConfig


def read_conf_files(
    loader: OmegaConfigLoader, env: str, kind: str
) -> dict[PurePosixPath, DictConfig]:
    """Return the files of one kind in an environment, none of them resolved.

    Args:
        loader: configuration of the project.
        env: name of the environment; `base` is one.
        kind: `parameters`, `catalog` or `globals`.

    Returns:
        Path → content, in order of the paths. A path in an archive has no root. It is
        empty without such an environment.
    """
    # Kedro has no public way to single files, or to those of an archive.
    source: Any = loader
    folder = source._get_conf_env_path(env)  # noqa: SLF001
    patterns = loader.config_patterns[kind]
    try:
        found = source._read_dir_configs(folder, patterns, kind, set())  # noqa: SLF001
    except MissingConfigException:
        return {}
    return {
        PurePosixPath(path.as_posix()): content
        for path, content in sorted(found.items())
    }


def find_environments(loader: OmegaConfigLoader) -> list[str]:
    """Return the names of the environments, in alphabetical order, `base` included.

    Raises:
        ValueError: there is no configuration.
    """
    source: Any = loader
    base = PurePosixPath(source._get_conf_env_path(loader.base_env))  # noqa: SLF001
    if not source._fs.isdir(str(base)):  # noqa: SLF001
        raise ValueError(
            f"{loader.conf_source} is no configuration: it has no folder "
            f"{loader.base_env!r}; run in the project's folder, or give a folder or "
            "an archive like conf: --conf-source <path>"
        )
    entries = source._fs.ls(str(base.parent), detail=True)  # noqa: SLF001
    folders = [PurePosixPath(one["name"]) for one in entries if _is_folder(one)]
    return sorted(one.name for one in folders if not one.name.startswith("."))


def run_env(loader: OmegaConfigLoader) -> str:
    """Return the name of the environment in force."""
    return str(loader.env or loader.default_run_env)


def _is_folder(entry: dict[str, Any]) -> bool:
    return str(entry["type"]) == "directory"
