"""The files of an environment, as YAML with comments."""

import json
import re
import textwrap
from typing import Any, Final

from two_tower.new_environment.environment import Environment, SideTable, options_of
from two_tower.new_environment.features import Feature
from two_tower.new_environment.files import ITEM_LISTS, N_ROWS, Table
from two_tower.new_environment.values import Column, most_frequent

_PLAIN: Final = re.compile(r"[A-Za-z_][\w./-]*")
_RESERVED: Final = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_WIDTH: Final = 88
_RAW: Final = """\
_raw: &raw
  connection: ${globals:connections.${runtime_params:engine,duckdb}}
  metadata: { kedro-viz: { layer: raw } }
"""


def yaml_files(name: str, found: Environment) -> dict[str, str]:
    """Return the environment's files: path in its folder → text."""
    return {
        "globals.yml": f"# The name of the folder of all outputs.\ndataset: {name}\n",
        "catalog/ingestion.yml": _catalog(found),
        "parameters/ingestion.yml": _ingestion(found),
        "parameters/sequencing.yml": _sequencing(found),
    }


def quoted(value: Any) -> str:
    """Return a value in YAML, on one line."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
            return value
        # OmegaConf would replace `${…}`.
        return json.dumps(value.replace("${", r"\${"), ensure_ascii=False)
    if isinstance(value, dict):
        inner = ", ".join(f"{quoted(k)}: {quoted(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(quoted, value))}]"
    return json.dumps(value)


def _comment(text: str, indent: str = "") -> str:
    plain = _one_line(text)
    start = f"{indent}# "
    lines = textwrap.wrap(
        plain,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) + "\n"


def _catalog(found: Environment) -> str:
    roles = found.interactions
    columns = [c for c in (roles.user, roles.item, roles.time, roles.rating) if c]
    entries = [
        _entry("raw_interactions", found.interactions_table, columns),
        _side_entry("raw_items", found.items, roles.item),
        _side_entry("raw_users", found.users, roles.user),
    ]
    head = _comment(
        "Paths and formats of the tables, guessed from their first rows. Values of "
        "text files are read as text; parameters/ingestion.yml sets their types."
    )
    return head + _RAW + "".join(f"\n{entry}" for entry in entries)


def _side_entry(name: str, side: SideTable | None, of: Column) -> str:
    if side is None:
        return (
            f"{_comment('no table was given')}"
            f"{name}:\n"
            "  type: two_tower.datasets.absent_table.AbsentTableDataset\n"
            f"  columns: {quoted({of.name: 'string'})}\n"
            "  metadata: { kedro-viz: { layer: raw } }\n"
        )
    features = [side.table.column(feature.column) for feature in side.features]
    columns = [side.key, *([side.title] if side.title else []), *features]
    return _entry(name, side.table, columns)


def _entry(name: str, table: Table, columns: list[Column]) -> str:
    options = options_of(table, columns)
    lines = [f"{name}:", "  <<: *raw", f"  type: {table.type}"]
    lines += [f"  filepath: {quoted(table.filepath)}"]
    lines += [f"  {key}: {quoted(value)}" for key, value in options.items()]
    return "".join(_comment(note) for note in table.notes) + "\n".join(lines) + "\n"


def _ingestion(found: Environment) -> str:
    table = found.interactions_table
    n_rows = f"{table.n_rows:,} rows" if table.is_complete else f"first {N_ROWS:,} rows"
    checks = "".join(_comment(f"CHECK: {check}.") for check in found.checks)
    return (
        _comment(
            f"Columns, ids and times, guessed from the {n_rows} of {table.filepath}. "
            "src/two_tower/pipelines/ingestion/params.py describes every key."
        )
        + checks
        + "ingestion:\n"
        + _ids(found)
        + _times(found)
        + _numbers(found)
        + _columns(found)
        + _features(found)
    )


def _ids(found: Environment) -> str:
    roles = found.interactions
    why = (
        f"Ids such as {roles.user.texts[0]} and {roles.item.texts[0]}. As text, 007 "
        "and 7 are two ids; as integer, they are one."
    )
    return f"{_comment(why, '  ')}  ids: {quoted(found.ids)}\n"


def _times(found: Environment) -> str:
    times, column = found.interactions.times, found.interactions.time
    if times is None or column is None:
        return ""
    shown = _comment(
        f"{column.name}: from {column.texts[0]} in the first row to {column.texts[-1]} "
        "in the last of these; without an offset they are UTC",
        "  ",
    )
    written = {"format": times.written} if times.is_format else times.written
    text = f"{shown}  timestamps: {quoted(written)}\n"
    return text + ("  years: { first: 1970 }\n" if times.is_relative else "")


def _numbers(found: Environment) -> str:
    text = f"  decimal: {quoted(found.decimal)}\n" if found.decimal != "." else ""
    if found.missing:
        text += f"  missing: {quoted(found.missing)} # beside blank values\n"
    return text


def _columns(found: Environment) -> str:
    roles = found.interactions
    reasons = roles.reasons
    rows = [
        ("user_id", roles.user, "user"),
        ("item_id", roles.item, "item"),
        ("timestamp", roles.time, "time"),
        ("rating", roles.rating, "rating"),
    ]
    lines = [
        "  columns:",
        "    interactions:",
        "      event_id: null # the order of rows",
    ]
    for key, column, role in rows:
        name = quoted(column.name) if column else "null"
        reason = _describe(column, reasons[role]) if column else "no such column"  # type: ignore[index]
        lines.append(f"      {key}: {name} # {reason}")
    items, users = found.items, found.users
    item = {
        "item_id": items.key.name if items else roles.item.name,
        "title": items.title.name if items and items.title else None,
    }
    user = {"user_id": users.key.name if users else roles.user.name}
    lines += [f"    items: {quoted(item)}{_reason(items)}"]
    lines += [f"    users: {quoted(user)}{_reason(users)}"]
    return "\n".join(lines) + "\n" + _rest(found)


def _describe(column: Column, reason: str) -> str:
    return f"{reason}; {len(column.distinct):,} distinct"


def _reason(side: SideTable | None) -> str:
    return f" # ids: {side.reason}" if side else ""


def _rest(found: Environment) -> str:
    """Return a comment of the columns of interactions that are not read."""
    roles = found.interactions
    event = roles.event
    text = ""
    if event:
        text = _comment(f"{event.name}: {most_frequent(event.texts, 5)}", "    ")
    rest = [
        column.name
        for column in found.interactions_table.columns
        if column.name not in roles.names
    ]
    if rest:
        text += _comment(
            f"Not read: {', '.join(rest)}. A property of an item or a user becomes a "
            "feature in a table with one row per item or user.",
            "    ",
        )
    return text


def _features(found: Environment) -> str:
    return (
        "  features:\n"
        + _feature_list("items", found.items)
        + _feature_list("users", found.users)
    )


def _feature_list(key: str, side: SideTable | None) -> str:
    if side is None or not side.features:
        return f"    {key}: []\n" + _skipped(side)
    lines = [
        f"      - {quoted({'name': f.name, 'column': f.column, **f.ingested})}\n"
        for f in side.features
    ]
    return f"    {key}:\n" + "".join(lines) + _skipped(side)


def _skipped(side: SideTable | None) -> str:
    skipped = side.skipped if side else []
    return "".join(
        _comment(f"no feature: {one.column}, {one.reason}", "      ") for one in skipped
    )


def _sequencing(found: Environment) -> str:
    head = _comment("The features that towers read from the kept columns.")
    features = {
        "item": _declarations(found.items),
        "user": _declarations(found.users),
    }
    if not any(features.values()):
        features_text = "  # no table of items or users has features\n"
        features_text += "  features: { item: {}, user: {} }\n"
    else:
        features_text = "  features:\n" + "".join(
            f"    {side}:\n{''.join(lines)}" if lines else f"    {side}: {{}}\n"
            for side, lines in features.items()
        )
    return f"{head}sequencing:\n{_order(found)}{features_text}"


def _order(found: Environment) -> str:
    if found.interactions.time is not None:
        return ""
    is_list = found.interactions_table.type == ITEM_LISTS
    order = "file_order" if is_list else "shuffled"
    why = "CHECK: file_order if rows are in order of time, though they have none"
    return f"{_comment(why, '  ')}  order: {{ without_times: {order} }}\n"


def _declarations(side: SideTable | None) -> list[str]:
    if side is None:
        return []
    lines = [_declaration(feature) for feature in side.features]
    if side.title:
        words = "title_words: { kind: words, column: title, min_count: 2 }"
        lines.insert(0, f"      {words} # words of {side.title.name}\n")
    return lines


def _declaration(feature: Feature) -> str:
    options: dict[str, Any] = {"kind": feature.kind}
    if feature.kind == "words":
        options["min_count"] = 2
    reason = _one_line(feature.reason)
    return f"      {quoted(feature.name)}: {quoted(options)} # {reason}\n"


def _one_line(text: str) -> str:
    # A value in a comment may have line ends.
    return " ".join(text.split())
