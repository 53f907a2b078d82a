"""Kedro's settings for this project; see https://docs.kedro.org."""

import warnings
from typing import Any

from omegaconf import DictConfig, OmegaConf

from two_tower.hooks import BackendHooks, CheckpointHooks, LineageHooks


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


def changes_of_preset(changes: DictConfig, name: str) -> Any:
    """Return what an environment changes of preset `name`: nothing if it isn't named.

    Configuration calls it as `${by_preset:<preset → changes>,<name>}`, so that what
    suits one preset on some data doesn't change another.
    """
    return changes.get(name, {})


# Kedro announces at every start that a node's preview, which shows the towers in
# kedro viz, is experimental.
warnings.filterwarnings("ignore", message="The 'preview_fn' feature is experimental")

HOOKS = (BackendHooks(), CheckpointHooks(), LineageHooks())
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"preset": merge_preset, "by_preset": changes_of_preset},
}
