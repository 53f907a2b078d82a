"""Markdown of the report: tables, escaped text, metric names and intervals."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

MARKS: Final = re.compile(r"([\\`*_\[\]<>|#~])")
"""Characters with a meaning in a line of Markdown."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, first column left-aligned, the others right-aligned."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escape(text: str) -> str:
    """Return the text with Markdown's characters escaped, as in `M*A*S*H`."""
    return MARKS.sub(r"\\\1", text)


def label(metric: str) -> str:
    """Return the name of a metric for readers: `hr@10` → `HR@10`."""
    name, at, k = metric.partition("@")
    written = name.upper() if name in {"hr", "ndcg", "mrr"} else name.capitalize()
    return f"{written}{at}{k}"


def interval(bounds: Mapping[str, float]) -> str:
    """Return a mean with its interval: `+0.0100 [+0.0050, +0.0150]`."""
    return f"{bounds['mean']:+.4f} [{bounds['low']:+.4f}, {bounds['high']:+.4f}]"
