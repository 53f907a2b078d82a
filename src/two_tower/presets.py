"""Presets of training: files that hold what differs from the common parameters.

`conf/base/parameters/presets/<name>.yml` defines a preset. The file of this name in an
environment holds the environment's changes to the preset; other presets ignore it.
"""

from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from omegaconf import DictConfig, OmegaConf


def merge_preset(common: DictConfig, presets: DictConfig, name: str) -> Any:
    """Return the common parameters with those of preset `name` over them.

    The configuration calls it as `${preset:<common>,<presets>,<name>}`.

    Raises:
        ValueError: there is no such preset.
    """
    if name not in presets:
        raise ValueError(
            f"no preset {name!r}; choose one of {', '.join(sorted(presets))}, "
            f"or add conf/base/parameters/presets/{name}.yml"
        )
    return OmegaConf.merge(common, presets[name])


class PresetHooks:
    """Refuse a file in which an environment changes a preset that does not exist.

    Kedro resolves each environment apart from the base, so a resolver can't compare
    the two.
    """

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        loader: Any = context.config_loader  # an OmegaConfigLoader
        conf, env = Path(loader.conf_source), context.env or loader.default_run_env
        known = _find_presets(conf / loader.base_env)
        for name, file in _find_presets(conf / env).items():
            if name not in known:
                raise ValueError(
                    f"{file} changes preset {name!r}, which does not exist; choose one "
                    f"of {', '.join(sorted(known))}, or add "
                    f"conf/base/parameters/presets/{name}.yml"
                )
            if not _reads_presets(conf / env):
                raise ValueError(
                    f"{file} has no effect: nothing in {conf / env} reads the presets; "
                    "copy conf/ml-1m/parameters/training.yml to its parameters"
                )


def _reads_presets(env: Path) -> bool:
    """Return whether an environment's parameters of training read its presets."""
    files = [*env.glob("parameters*.yml"), *env.glob("parameters/*.yml")]
    groups: list[Any] = [OmegaConf.to_container(OmegaConf.load(one)) for one in files]
    return any("_presets" in str(one.get("training")) for one in groups if one)


def _find_presets(env: Path) -> dict[str, Path]:
    """Return the file of each preset in an environment's folder."""
    return {
        name: file
        for file in sorted(env.glob("parameters/presets/*.yml"))
        for name in OmegaConf.select(OmegaConf.load(file), "_presets", default={})
    }
