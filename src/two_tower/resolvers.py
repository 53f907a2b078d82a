"""Resolvers of the configuration: `${preset:…}` and `${format:…}`.

Both pick a group of parameters by its name. `conf/base/parameters/presets/<name>.yml`
defines a preset of training; `conf/base/parameters/formats/<name>.yml` defines a
format, the columns and features of a kind of data.
"""

from typing import Any

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


def find_format(formats: DictConfig, name: str) -> Any:
    """Return the parameters of format `name`.

    The configuration calls it as `${format:<formats>,<name>}`; the global `format`
    names the one in force.

    Raises:
        ValueError: there is no such format.
    """
    if name not in formats:
        raise ValueError(
            f"no format {name!r}; set `format` in globals.yml to one of "
            f"{', '.join(sorted(formats))}, or add "
            f"conf/base/parameters/formats/{name}.yml"
        )
    return formats[name]
