"""Names of the parameters that nodes read, and the nearest one to a misspelt name."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any, Final, get_args, get_origin, get_type_hints

from kedro.pipeline import Pipeline

from two_tower.params import Params

PREFIX: Final = "params:"


def find_declared(pipelines: Iterable[Pipeline]) -> dict[str, Any]:
    """Return the parameters that nodes read, name → type hint.

    A name has dots for the groups that it lies in, as in `sequencing.window`.
    """
    return {
        name.removeprefix(PREFIX): hints.get(argument, Any)
        for pipeline in pipelines
        for node in pipeline.nodes
        for hints in [get_type_hints(node.func, include_extras=True)]
        # Kedro maps inputs to arguments by position, too.
        for name, argument in zip(
            node.inputs, signature(node.func).parameters, strict=False
        )
        if name.startswith(PREFIX)
    }


def all_names(declared: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """Return the names of all groups and options, with dots between them.

    Args:
        declared: name → type hint, see `find_declared`.
        given: all parameters, nested; some groups have names of the user's own.
    """
    return {
        name
        for root, hint in declared.items()
        for name in [*_parents(root), root, *_options(root, hint, select(given, root))]
    }


def select(given: Any, name: str) -> Any:
    """Return the value of a name with dots, or None where there is none."""
    for key in name.split("."):
        given = given.get(key) if isinstance(given, Mapping) else None
    return given


def unknown_names(
    given: Mapping[Any, Any], declared: Mapping[str, Any], group: str = ""
) -> Iterator[tuple[str, ...]]:
    """Yield the path of each key that no node reads.

    Args:
        given: all parameters, nested, or those of one group.
        declared: name → type hint, see `find_declared`.
        group: name of the group that holds `given`, "" for all parameters.
    """
    path = tuple(group.split(".")) if group else ()
    for key, value in given.items():
        name = ".".join([*path, str(key)])
        if "." in str(key):
            yield *path, str(key)
        elif name in declared:
            for rest in _unknown_options(value, declared[name]):
                yield *path, str(key), *rest
        elif not any(other.startswith(f"{name}.") for other in declared):
            yield *path, str(key)
        elif isinstance(value, Mapping):
            yield from unknown_names(value, declared, name)


def find_nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three names that are most like `name`.

    An option of this very name in another group comes first, then one of the group.
    """
    names = sorted(known)
    group, _, option = name.rpartition(".")
    siblings = [one for one in names if one.rpartition(".")[0] == group]
    by_option = {one.rpartition(".")[2]: one for one in siblings}
    near = [by_option[one] for one in get_close_matches(option, by_option, n=3)]
    elsewhere = [one for one in names if f".{one}".endswith(f".{option}")]
    return ([*elsewhere, *near] or get_close_matches(name, names))[:3]


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _options(group: str, hint: Any, value: Any) -> Iterator[str]:
    own = value if isinstance(value, Mapping) else {}
    inner = {
        name: field.annotation
        for model in _models(hint)
        for name, field in model.model_fields.items()
    } | {str(name): args[1] for args in _dictionaries(hint) for name in own}
    for name, inner_hint in inner.items():
        yield f"{group}.{name}"
        yield from _options(f"{group}.{name}", inner_hint, own.get(name))


def _unknown_options(value: Any, hint: Any) -> Iterator[tuple[str, ...]]:
    """Yield the path, below `value`, of each key that its type does not declare."""
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            for rest in _unknown_options(item, hint):
                yield str(index), *rest
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            inner_hints = list(_hints_of(str(key), hint))
            if not inner_hints:
                yield (str(key),)
                continue
            for rest in _unknown_options(inner, tuple(inner_hints)):
                yield str(key), *rest


def _hints_of(key: str, hint: Any) -> Iterator[Any]:
    """Yield the types that a key may have: one per type of the group in a union."""
    if isinstance(hint, type) and issubclass(hint, Params):
        if key in hint.model_fields:
            yield hint.model_fields[key].annotation
    elif get_origin(hint) is dict:  # names of the user's own
        yield get_args(hint)[1]
    else:
        for part in hint if isinstance(hint, tuple) else get_args(hint):
            yield from _hints_of(key, part)


def _models(hint: Any) -> Iterator[type[Params]]:
    """Yield the groups in a type, but not those of a dictionary's values."""
    if isinstance(hint, type) and issubclass(hint, Params):
        yield hint
    elif get_origin(hint) is not dict:
        for part in get_args(hint):
            yield from _models(part)


def _dictionaries(hint: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the key and value types of each dictionary in a type."""
    if get_origin(hint) is dict:
        yield get_args(hint)
    else:
        for part in get_args(hint):
            yield from _dictionaries(part)
