"""Parts of messages: the start of a long text, and names in place of an unknown one."""

from collections.abc import Iterable


def shorten(text: str, n_characters: int) -> str:
    """Return the first characters of a text, and an ellipsis if there are more."""
    start = text[:n_characters]
    return text if start == text else f"{start}…"


def suggest(near: Iterable[str], choices: Iterable[str]) -> str:
    """Return the end of a message: the nearest names, or else all there are."""
    if names := list(near):
        return f"did you mean {' or '.join(names)}?"
    return f"choose one of {', '.join(sorted(choices))}"
