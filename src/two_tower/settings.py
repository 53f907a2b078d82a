"""Kedro's settings for this project; see https://docs.kedro.org."""

import warnings
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf

from two_tower.hooks import BackendHooks, CheckpointHooks, ParameterHooks
from two_tower.lineage.hooks import LineageHooks


def merge_preset(common: DictConfig, presets: DictConfig, name: str) -> Any:
    """Return the common parameters with those of preset `name` over them.

    Configuration calls it as `${preset:<common>,<presets>,<name>}`, so that a preset
    holds only what it changes.

    Raises:
        ValueError: there is no such preset.
    """
    if name not in presets:
        raise ValueError(
            f"no preset {name!r}; choose one of {', '.join(sorted(presets))}, "
            f"or add conf/base/parameters/presets/{name}.yml"
        )
    return OmegaConf.merge(common, presets[name])


def changes_of_preset(changes: DictConfig, name: str, *, known: Collection[str]) -> Any:
    """Return what an environment changes of preset `name`: nothing if it isn't named.

    Configuration calls it as `${by_preset:<preset → changes>,<name>}`, so that what
    suits one preset on some data doesn't change another.

    Raises:
        ValueError: changes are of a preset that is not among the known ones.
    """
    if unknown := sorted(set(map(str, changes)) - set(known)):
        raise ValueError(
            f"an environment changes preset {unknown[0]!r}, which there is not; name "
            f"one of {', '.join(sorted(known))}, or add "
            f"conf/base/parameters/presets/{unknown[0]}.yml"
        )
    return changes.get(name, {})


class ConfigLoader(OmegaConfigLoader):
    """Kedro's, with a `by_preset` that knows the presets.

    Kedro resolves an environment apart from the base, which holds them.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        presets = Path(self.conf_source, "base", "parameters", "presets")
        known = frozenset(file.stem for file in presets.glob("*.yml"))
        # Resolvers are of the whole process, and another loader's may know others.
        by_preset = partial(changes_of_preset, known=known)
        OmegaConf.register_new_resolver("by_preset", by_preset, replace=True)
        return super().__getitem__(key)


# Kedro announces at every start that a node's preview, which shows the towers in
# kedro viz, is experimental.
warnings.filterwarnings("ignore", message="The 'preview_fn' feature is experimental")

HOOKS = (BackendHooks(), ParameterHooks(), CheckpointHooks(), LineageHooks())
CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"preset": merge_preset},
}
