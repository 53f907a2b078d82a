"""The file of `kedro run --config`, checked before Kedro reads its options."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from two_tower.messages import suggest

GROUPS: Final = ("params", "runner_params")
"""Options that may be groups of keys; those of other names are text or a switch."""


def check_config_file(
    path: Path, section: str, parameters: Sequence[click.Parameter]
) -> None:
    """Refuse a file that is no YAML, or whose options the command does not have.

    Args:
        path: the file, YAML or JSON.
        section: name of the section that holds the options.
        parameters: options of the command.

    Raises:
        ValueError: naming the file, and what to write instead.
    """
    content = _read(path)
    if section not in content:
        found = f"it has {', '.join(content)}" if content else "it is empty"
        raise ValueError(
            f"{path} has no section {section!r}, which holds the options; {found}. "
            f"Write: {section}: {{ env: <name> }}"
        )
    options = content[section]
    if not isinstance(options, Mapping):
        raise ValueError(
            f"{path}: {section} is {'empty' if options is None else repr(options)}; it "
            f"must be a group of options, such as {section}: {{ env: <name> }}"
        )
    known = {str(one.name): one for one in parameters if one.name != "config"}
    for name, value in options.items():
        if name not in known:
            raise ValueError(
                f"{path} gives {section}.{name}, which is no option of a file; "
                f"{suggest(_find_nearest(str(name), known), known)}"
            )
        _check_value(path, f"{section}.{name}", value, known[name])


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(
            f"{path} can't be read as YAML: {error.problem}{where}"
        ) from error
    except (OSError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise ValueError(f"{path} can't be read as YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ValueError(
            f"{path} is a list; it must hold sections, such as run: {{ env: <name> }}"
        )
    return {str(key): value for key, value in content.items()}


def _find_nearest(name: str, known: Mapping[str, click.Parameter]) -> list[str]:
    """Return the option that has this name on the command line, or those like it."""
    flags = {
        flag.lstrip("-"): key for key, option in known.items() for flag in option.opts
    }
    if name.replace("_", "-") in flags:
        return [flags[name.replace("_", "-")]]
    return get_close_matches(name, known)


def _check_value(path: Path, name: str, value: Any, option: click.Parameter) -> None:
    """Refuse a value that Kedro would take apart as if it were another one's text."""
    if getattr(option, "is_flag", False):
        is_right, wanted = isinstance(value, bool), "true or false"
    elif option.name in GROUPS:
        is_right, wanted = isinstance(value, Mapping | str), "a group of keys"
    else:
        is_right, wanted = isinstance(value, str), "text"
    if is_right:
        return
    if isinstance(value, list):
        wanted = f"text: '{','.join(map(str, value))}'"
    raise ValueError(f"{path}: {name} is {value!r}; it must be {wanted}")
