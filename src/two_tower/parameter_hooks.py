"""Hooks that refuse an unknown environment, key or value before anything runs."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogConfigResolver
from omegaconf.errors import OmegaConfBaseException

from two_tower.conf_files import find_environments, run_env
from two_tower.conf_keys import ALIKE, ConfKeys
from two_tower.messages import suggest
from two_tower.parameter_names import PREFIX, find_declared
from two_tower.parameter_values import wrong_values


class EnvironmentHooks:
    """Refuse an environment that does not exist, and name those that do."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        loader: Any = context.config_loader  # an OmegaConfigLoader
        env, names = run_env(loader), find_environments(loader)
        if env not in names:
            near = get_close_matches(env, names)
            raise ValueError(
                f"{loader.conf_source} has no environment {env!r}; "
                f"{suggest(near, names)}"
            )


class ParameterHooks:
    """Refuse keys that nothing reads, and values that a node of any pipeline refuses.

    The error has a line for each of them.
    """

    @hook_impl(trylast=True)
    def after_context_created(self, context: KedroContext) -> None:
        loader: Any = context.config_loader
        read = find_declared(pipelines.values())
        _require_references(loader, read)
        stores = loader["catalog"].keys()  # inputs that are no parameters by their name
        declared = {
            name: hint for name, hint in read.items() if f"{PREFIX}{name}" not in stores
        }
        wrong = [
            *ConfKeys(loader, declared).unread(),
            *wrong_values(loader["parameters"], declared),
            *_without_effect(loader.runtime_params or {}, loader["parameters"]),
        ]
        if wrong:
            raise ValueError("\n".join(wrong))

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        used = {
            name
            for part in pipelines.values()
            for name in part.datasets()
            if not name.startswith(PREFIX)
        }
        for name in conf_catalog.keys() - used:
            near = get_close_matches(name, used, n=1, cutoff=ALIKE)
            # Other datasets may serve a notebook.
            if near and not CatalogConfigResolver.is_pattern(name):
                raise ValueError(
                    f"the catalog has a dataset {name!r}, which no pipeline reads or "
                    f"makes; did you mean {near[0]}?"
                )


def _require_references(loader: Any, declared: Mapping[str, Any]) -> None:
    """Refuse a misspelt name that others refer to, by the file that gives it.

    Resolving them would only tell who refers to it.
    """
    try:
        for kind in ("globals", "parameters", "catalog"):
            loader[kind]
    except OmegaConfBaseException as error:
        misspelt = list(ConfKeys(loader, declared).misspelt_references())
        if misspelt:
            raise ValueError("\n".join(misspelt)) from error
        raise


def _without_effect(
    given: Mapping[str, Any], merged: Any, path: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield a message for each option of a kind that is not chosen.

    Args:
        given: parameters of the command line, nested.
        merged: all parameters at `path`.
        path: names of the groups so far.
    """
    for name, value in given.items():
        if not isinstance(merged, Mapping) or name not in merged:
            continue  # has a message of its own
        kind = merged.get("kind")
        is_group = isinstance(value, Mapping) and isinstance(merged[name], Mapping)
        if is_group and isinstance(kind, str) and name != kind:
            choice = ".".join([*path, "kind"])
            for option in value:
                yield (
                    f"{'.'.join([*path, name, option])} has no effect: {choice} is "
                    f"{kind!r}. Drop it, or add --params {choice}={name}"
                )
        elif is_group:
            yield from _without_effect(value, merged[name], (*path, name))
