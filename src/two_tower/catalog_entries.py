"""Entries of the catalog: keys that no dataset takes, connections that don't open."""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from inspect import Parameter, signature
from typing import Any

import ibis
from kedro.io import DataCatalog
from kedro.io.core import VALIDATOR_KEY, VERSIONED_FLAG_KEY, parse_dataset_definition

from two_tower.messages import suggest
from two_tower.parameter_names import find_nearest

_OF_THE_CATALOG = {VALIDATOR_KEY, VERSIONED_FLAG_KEY, "credentials"}
"""Keys that Kedro's catalog reads itself."""


def check_entries(names: Iterable[str], catalog: DataCatalog) -> None:
    """Refuse entries that can't become a dataset; nothing is loaded.

    Args:
        names: of the datasets of a run.
        catalog: catalog of the run.

    Raises:
        ValueError: an entry has a key that its type does not take, or a connection that
            can't be opened.
        DatasetError: there is no such type.
    """
    opened: list[Mapping[str, Any]] = []
    for name in sorted(names):
        entry = catalog.config_resolver.resolve_pattern(name)
        if not entry:
            continue
        _require_keys(name, entry)
        connection = entry.get("connection")
        if isinstance(connection, Mapping) and connection not in opened:
            require_connection(connection, name)
            opened.append(connection)


def _require_keys(name: str, entry: Mapping[str, Any]) -> None:
    own = {key: value for key, value in entry.items() if key not in _OF_THE_CATALOG}
    kind, options = parse_dataset_definition(own)
    parameters = signature(kind.__init__).parameters.values()
    if any(one.kind is Parameter.VAR_KEYWORD for one in parameters):
        return
    known = {one.name for one in parameters} - {"self"}
    for key in options.keys() - known:
        raise ValueError(
            f"the catalog's {name} gives {key}, which {kind.__name__} does not take; "
            f"{suggest(find_nearest(key, known), known)}"
        )


def require_connection(connection: Mapping[str, Any], dataset: str) -> None:
    """Refuse a connection that can't be opened.

    Args:
        connection: `backend`, and arguments of its `connect`.
        dataset: name of a dataset that has it.

    Raises:
        ValueError: Ibis does not know the back end, its driver is not installed, or it
            refuses the other arguments.
    """
    options = dict(connection)
    backend = options.pop("backend", None)
    known = sorted(entry_points(group="ibis.backends").names)
    if backend not in known:
        raise ValueError(
            f"the connection of {dataset} has the backend {backend!r}, which Ibis does "
            f"not know; set it in connections of globals.yml to {', '.join(known)}"
        )
    try:
        engine = getattr(ibis, backend)
    except ImportError as error:
        raise ValueError(
            f"the connection of {dataset} has the backend {backend!r}, which is not "
            f"installed; run: pip install 'ibis-framework[{backend}]'"
        ) from error
    try:
        engine.connect(**options).disconnect()
    except Exception as error:  # each back end has its own
        text = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"the connection of {dataset} can't be opened by {backend} ({text}); "
            "change it in connections of globals.yml"
        ) from error
