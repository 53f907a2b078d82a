"""Formats of sources: files that hold the columns and features of a kind of data.

`conf/base/parameters/formats/<name>.yml` defines a format; the global `format` names
the one in force.
"""

from typing import Any

from omegaconf import DictConfig


def find_format(formats: DictConfig, name: str) -> Any:
    """Return the parameters of format `name`.

    The configuration calls it as `${format:<formats>,<name>}`.

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
