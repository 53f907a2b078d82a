"""Values of parameters against the types that nodes declare, with plain messages."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from two_tower.messages import shorten
from two_tower.parameter_names import select

SHOWN_CHARACTERS: Final = 60
"""Most characters of a value in a message."""


def wrong_values(
    given: Mapping[str, Any], declared: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a message for each parameter that its node would refuse.

    Args:
        given: all parameters, nested.
        declared: name → type hint, see `parameter_names.find_declared`.
    """
    parents = {name.rpartition(".")[0] for name in declared} - {"", *declared}
    wrong = [one for one in parents if not isinstance(select(given, one), Mapping)]
    for group in sorted(wrong):
        found = _shown(select(given, group))
        yield f"{group} is {found}; it must be a group of keys"
    for name, hint in sorted(declared.items()):
        if name.startswith(tuple(f"{group}." for group in wrong)):
            continue
        value = select(given, name)
        # A group has its own rules; by default a number may be text or a boolean.
        strict = None if isinstance(value, Mapping) else True
        try:
            TypeAdapter(hint).validate_python(value, strict=strict)
        except ValidationError as error:
            yield from _describe(name, value, error.errors(include_url=False))


def _describe(root: str, value: Any, errors: Sequence[ErrorDetails]) -> Iterator[str]:
    """Yield a message for each option of a group; unread keys have their own check."""
    located = [
        (_path(error["loc"], value), error)
        for error in errors
        if error["type"] != "extra_forbidden"
    ]
    for path, group in groupby(located, key=lambda one: one[0]):
        found = [error for _, error in group]
        yield _message(".".join([root, *path]), found)


def _path(location: tuple[int | str, ...], value: Any) -> tuple[str, ...]:
    """Return the keys of a location, without pydantic's tags of a union's types."""
    path: list[str] = []
    for key in location:
        if isinstance(value, list | tuple) and isinstance(key, int):
            value = value[key]
        elif isinstance(value, Mapping) and (key in value or key == location[-1]):
            value = value.get(key)
        else:
            continue  # the name of a type
        path.append(str(key))
    return tuple(path)


def _message(name: str, errors: Sequence[ErrorDetails]) -> str:
    error = errors[0]
    context = error.get("ctx", {})
    value = _shown(error["input"])
    match error["type"]:
        case "value_error":
            return f"{name}: {context['error']}"
        case "missing":
            return f"{name} is missing; give it a value"
        case "union_tag_not_found":
            return f"{name}.kind is missing; give it a value"
        case "union_tag_invalid":
            kind, kinds = context["tag"], context["expected_tags"]
            return f"{name}.kind is {kind!r}; choose one of {kinds}"
        case "literal_error" if len(errors) == 1:
            return f"{name} is {value}; choose one of {context['expected']}"
    wanted = dict.fromkeys(_wanted(one) for one in errors)
    return f"{name} is {value}; it must be {' or '.join(wanted)}"


def _wanted(error: ErrorDetails) -> str:
    """Return what a value must be, in the words of a parameters file."""
    words = {
        "bool_type": "true or false",
        "dict_type": "a group of keys",
        "finite_number": "a finite number",
        "float_type": "a number",
        "int_type": "a whole number",
        "list_type": "a list",
        "model_type": "a group of keys",
        "string_type": "text",
        "too_short": "a list with a value",
        "tuple_type": "a list",
    }
    message = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return words.get(error["type"], message)


def _shown(value: Any) -> str:
    """Return a value as YAML has it, cut to a few characters."""
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    text = "a group of keys" if isinstance(value, Mapping) else repr(value)
    return shorten(text, SHOWN_CHARACTERS)
