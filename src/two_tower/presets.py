"""Presets of training: files that hold what differs from the common parameters.

`conf/base/parameters/presets/<name>.yml` defines a preset. The file of this name in an
environment holds the environment's changes to the preset; other presets ignore it.
"""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from omegaconf import DictConfig, OmegaConf

from two_tower.conf_files import read_conf_files, run_env


class PresetHooks:
    """Refuse a file in which an environment changes a preset that does not exist.

    Kedro resolves each environment apart from the base, so a resolver can't compare
    the two.
    """

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        loader: Any = context.config_loader  # an OmegaConfigLoader
        known = _find_presets(read_conf_files(loader, loader.base_env, "parameters"))
        files = read_conf_files(loader, run_env(loader), "parameters")
        for name, file in _find_presets(files).items():
            if name not in known:
                raise ValueError(
                    f"{file} changes preset {name!r}, which does not exist; choose one "
                    f"of {', '.join(sorted(known))}, or add "
                    f"conf/base/parameters/presets/{name}.yml"
                )
            if not _reads_presets(files.values()):
                raise ValueError(
                    f"{file} has no effect: nothing in {file.parents[2]} reads the "
                    "presets; copy conf/ml-1m/parameters/training.yml to its parameters"
                )


def _reads_presets(files: Iterable[DictConfig]) -> bool:
    """Return whether an environment's parameters of training read its presets."""
    groups: list[Any] = [OmegaConf.to_container(one) for one in files]
    return any("_presets" in str(one.get("training")) for one in groups if one)


def _find_presets(
    files: Mapping[PurePosixPath, DictConfig],
) -> dict[str, PurePosixPath]:
    """Return the file of each preset in an environment's `parameters/presets`."""
    return {
        str(name): path
        for path, content in files.items()
        if path.parent.name == "presets"
        for name in OmegaConf.select(content, "_presets", default={})
    }
