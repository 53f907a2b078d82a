"""Parameters in force: the values that the catalog of a run has."""

import json
from collections.abc import Mapping
from typing import Any, Final

from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.validation.type_extractor import TypeExtractor
from pydantic import BaseModel

from two_tower.lineage.commands import flatten
from two_tower.messages import shorten

_SHOWN: Final = 3
_LONGEST: Final = 60
_ABSENT: Final = object()


class Parameters:
    """The parameters of a run, as lineage records keep them.

    Args:
        catalog: catalog of the run.
    """

    def __init__(self, catalog: DataCatalog) -> None:
        self._catalog = catalog
        self._types: dict[str, type] | None = None

    def find(self, name: str, recorded: Any = None) -> Any:
        """Return the value of a parameter.

        Args:
            name: its name, without `params:`.
            recorded: returned in place of a parameter that no longer exists.

        Raises:
            ValueError: the value is not valid.
        """
        full = f"params:{name}"
        if full not in self._catalog:
            return recorded
        value = self._catalog[full].load()
        kind = self._find_types().get(name)
        # Kedro checks only the parameters of the pipelines that run.
        if isinstance(value, dict) and kind and issubclass(kind, BaseModel):
            value = kind.model_validate(value)
        return plain(value)

    def _find_types(self) -> dict[str, type]:
        if self._types is None:
            extractor = TypeExtractor(dict(pipelines))
            self._types = extractor.extract_types_from_pipelines()
        return self._types


def plain(value: Any) -> Any:
    """Return a parameter as values of JSON's types."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def describe_differences(
    recorded: Mapping[str, Any], in_force: Mapping[str, Any]
) -> str:
    """Return the parameters that differ, with both values; empty if they are equal.

    Args:
        recorded: name → value with which a dataset was made.
        in_force: name → value now.
    """
    before, now = dict(flatten(recorded)), dict(flatten(in_force))
    differing = sorted(
        (
            name
            for name in before.keys() | now.keys()
            if before.get(name, _ABSENT) != now.get(name, _ABSENT)
        ),
        key=lambda name: (name.count("."), name),  # a kind before its options
    )
    shown = [
        f"{name} was {_show(before, name)}, is {_show(now, name)}"
        for name in differing[:_SHOWN]
    ]
    n_more = len(differing) - len(shown)
    return ", ".join([*shown, *([f"and {n_more} more differ"] if n_more else [])])


def _show(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "absent"
    return shorten(json.dumps(values[name], ensure_ascii=False), _LONGEST)
