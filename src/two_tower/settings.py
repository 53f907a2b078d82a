"""Kedro's settings for this project; see https://docs.kedro.org."""

import warnings

from two_tower.hooks import hooks

# Kedro announces at every start that a node's `preview_fn` is experimental.
warnings.filterwarnings("ignore", message="The 'preview_fn' feature is experimental")

HOOKS = hooks()
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
}
