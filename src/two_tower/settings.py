"""Kedro's settings for this project; see https://docs.kedro.org."""

import warnings

from kedro.config import OmegaConfigLoader

from two_tower.hooks import (
    BackendHooks,
    CheckpointHooks,
    RunnerHooks,
    ScratchHooks,
    StatisticsHooks,
)
from two_tower.lineage.hooks import LineageHooks, LockHooks
from two_tower.parameter_hooks import EnvironmentHooks, ParameterHooks
from two_tower.preflight import PreflightHooks
from two_tower.presets import PresetHooks
from two_tower.resolvers import find_format, merge_preset

# Kedro warns at every start that a node's preview, which shows the towers in Kedro-Viz,
# is experimental.
warnings.filterwarnings("ignore", message="The 'preview_fn' feature is experimental")

HOOKS = (
    LockHooks(),
    PreflightHooks(),
    EnvironmentHooks(),  # after it, as the last of those that come first is first
    PresetHooks(),
    RunnerHooks(),
    BackendHooks(),
    ParameterHooks(),
    ScratchHooks(),
    CheckpointHooks(),
    LineageHooks(),
    StatisticsHooks(),
)
CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "simulated",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"preset": merge_preset, "format": find_format},
}
