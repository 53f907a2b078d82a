"""Tables and figures as they are written in a report."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

MARKS: Final = re.compile(r"([\\`*_\[\]<>|#~])")
"""Characters that Markdown may read as more than themselves within a line."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left, numbers to the right."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def plain(text: str) -> str:
    """Return a text with its marks escaped, so that `M*A*S*H` is read as it stands."""
    return MARKS.sub(r"\\\1", text)


def label(figure: str) -> str:
    """Return the name of a figure as it is written: `hr@10` → `HR@10`."""
    name, at, k = figure.partition("@")
    written = name.upper() if name in {"hr", "ndcg", "mrr"} else name.capitalize()
    return f"{written}{at}{k}"


def interval(bounds: Mapping[str, float]) -> str:
    """Return a mean with its interval: `+0.0100 [+0.0050, +0.0150]`."""
    return f"{bounds['mean']:+.4f} [{bounds['low']:+.4f}, {bounds['high']:+.4f}]"
