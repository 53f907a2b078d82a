"""Random own tables with faults: cells, columns, headers, rows, bytes and types."""

import dataclasses
import io
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ODD = (
    *("", " ", "NA", "nan", "NULL", "None", "inf", "-inf", "-1", "0", "+7", "--5"),
    *("1e400", "9" * 30, "1.5", "4,5", "True", "12.0", "1e16", "1.60E+09", "0x1F"),
    *(
        "\uff11\uff12",
        "\u0663",
        "\u00a07",
        "é",
        "🙂",
        "\x00",
        "'",
        '"',
        '""',
        "a\nb",
        "a\rb",
        "\t",
    ),
    *("2020-13-45", "31.02.2020", "24.09.2020", "2020-09-24T17:30:00+02:00"),
    *("epoch", "infinity", "20200924", "1600914131", "1600914131000", "44098.7"),
    *("[1, 2]", "['a', 'b']", '["a"]', "{}", "x" * 70_000, "a;b", "a|b", "${x}", "%Y"),
)


@dataclasses.dataclass
class Tables:
    """What is written and ingested.

    Attributes:
        rows: name of a table → its rows of text, the header first.
        parameters: changes of ingestion's parameters.
        edits: changes to the bytes of a table's file.
        typed: None for CSV, or a type for a column of a table in Parquet.
        made: the mutations, in words.
    """

    rows: dict[str, list[list[Any]]]
    parameters: dict[str, Any]
    edits: dict[str, Callable[[bytes], bytes]]
    typed: dict[str, tuple[str, Any]]
    made: list[str]


def sound_tables() -> Tables:
    """Return tables that are ingested without a warning."""
    interactions = [["user", "item", "time", "stars"]]
    interactions += [
        [f"{i % 7}", f"{i % 11}", f"{1_600_914_131 + 7_919 * i}", f"{1 + i % 5}"]
        for i in range(60)
    ]
    items = [["item", "name", "tags", "price", "year"]]
    items += [
        [f"{i}", f"Book {i}", "a;b" if i % 2 else "c", f"{i}.5", f"{1990 + i}"]
        for i in range(11)
    ]
    users = [["user", "country"], *([f"{i}", "CH"] for i in range(7))]
    rows = {"interactions": interactions, "items": items, "users": users}
    return Tables(rows, {}, {}, {}, [])


def mutate(random: Random) -> Tables:
    """Return sound tables with one to three faults."""
    tables = sound_tables()
    for _ in range(random.choice([1, 1, 2, 3])):
        random.choice(MUTATIONS)(tables, random)
    return tables


def write(tables: Tables, name: str) -> bytes:
    """Return a table as the bytes of a CSV file, or of Parquet if it is typed."""
    header, *rows = tables.rows[name]
    if name in tables.typed:
        return _parquet(header, rows, *tables.typed[name])
    lines = [",".join(map(_quoted, row)) for row in (header, *rows)]
    content = "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")
    return tables.edits.get(name, lambda data: data)(content)


def _quoted(value: Any) -> str:
    text = str(value)
    if any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _parquet(header: list[str], rows: list[list[Any]], column: str, of: Any) -> bytes:
    arrays = {}
    for i, name in enumerate(header):
        values = [row[i] if i < len(row) else None for row in rows]
        arrays[name] = pa.array([None if v == "" else str(v) for v in values])
        if name == column:
            arrays[name] = of(values)
    file = io.BytesIO()
    pq.write_table(pa.table(arrays), file)
    return file.getvalue()


def _pick(tables: Tables, random: Random) -> tuple[str, list[list[Any]], int]:
    weights = {"interactions": 5, "items": 3, "users": 1}
    (name,) = random.choices(list(weights), list(weights.values()))
    rows = tables.rows[name]
    return name, rows, random.randrange(len(rows[0])) if rows and rows[0] else 0


def _change_cell(tables: Tables, random: Random) -> None:
    name, rows, column = _pick(tables, random)
    for _ in range(random.choice([1, 1, 5])):
        if len(rows) < 2:
            return
        row = rows[random.randrange(1, len(rows))]
        value = random.choice(ODD)
        if column < len(row):
            row[column] = value
        tables.made.append(f"{name}[{column}] has {value[:20]!r}")


COLUMNS: dict[str, Callable[[str, int], str]] = {
    "milliseconds": lambda text, _: f"{text}000",
    "nanoseconds": lambda text, _: f"{text}000000000",
    "short exponent": lambda text, _: "1.60E+09",
    "one date": lambda text, _: "20200924",
    "a German date": lambda text, i: f"{1 + i % 28}.09.2020 {i % 24}:05",
    "an American date": lambda text, i: f"9/{1 + i % 28}/2020 {1 + i % 12}:05 PM",
    "an ISO date": lambda text, i: f"2020-09-{1 + i % 28:02}T{i % 24:02}:05:00Z",
    "an Excel date": lambda text, i: f"{44_098 + i}.25",
    "a decimal comma": lambda text, _: f"{text},5",
    "zeros before": lambda text, _: f"000{text}",
    "a fraction of zero": lambda text, _: f"{text}.0",
    "spaces around": lambda text, _: f" {text} ",
    "truth values": lambda text, i: str(i % 2 == 0),
    "one value": lambda text, _: "1",
    "nothing": lambda text, _: "",
    "placeholders": lambda text, i: text if i % 3 else "NA",
    "a Python list": lambda text, i: f"['{text}', 'b{i % 3}']",
    "a JSON list": lambda text, i: f'["{text}", "b{i % 3}"]',
    "nested lists": lambda text, i: f'[["{text}"], ["b"]]',
    "another separator": lambda text, i: f"{text}|b{i % 3}",
    "a currency": lambda text, _: f"$1,{text.zfill(3)[:3]}.50",
    "letters": lambda text, _: f"id-{text}",
    "one row": lambda text, i: text if i else "?",
    "a larger number": lambda text, i: (
        str(int(float(text or 0)) + 2**63) if _is(text) else text
    ),
}


def _is(text: str) -> bool:
    return text.replace(".", "").isdigit() and len(text) < 20


def _change_column(tables: Tables, random: Random) -> None:
    name, rows, column = _pick(tables, random)
    kind = random.choice(list(COLUMNS))
    for i, row in enumerate(rows[1:]):
        if column < len(row):
            row[column] = COLUMNS[kind](str(row[column]), i)
    tables.made.append(f"{name}[{column}] becomes {kind}")


def _change_header(tables: Tables, random: Random) -> None:
    name, rows, column = _pick(tables, random)
    if not rows or not rows[0]:
        return
    kind = random.choice(list(HEADERS))
    HEADERS[kind](rows, column, random)
    tables.made.append(f"header of {name}: {kind}")


def _rename(rows: list[list[Any]], column: int, random: Random) -> None:
    names = ["", " ", rows[0][column].upper(), f" {rows[0][column]} ", "é", "a b"]
    rows[0][column] = random.choice(names)


def _repeat_name(rows: list[list[Any]], column: int, random: Random) -> None:
    rows[0][column] = random.choice(rows[0])


def _swap_names(rows: list[list[Any]], column: int, random: Random) -> None:
    other = random.randrange(len(rows[0]))
    rows[0][column], rows[0][other] = rows[0][other], rows[0][column]


def _remove_header(rows: list[list[Any]], column: int, random: Random) -> None:
    del rows[0]


def _remove_column(rows: list[list[Any]], column: int, random: Random) -> None:
    for row in rows:
        del row[column : column + 1]


def _add_column(rows: list[list[Any]], column: int, random: Random) -> None:
    for i, row in enumerate(rows):
        row.insert(column, "more" if i == 0 else str(i))


def _repeat_header(rows: list[list[Any]], column: int, random: Random) -> None:
    rows.insert(random.randrange(1, len(rows) + 1), list(rows[0]))


HEADERS: dict[str, Callable[[list[list[Any]], int, Random], None]] = {
    "renamed": _rename,
    "repeated name": _repeat_name,
    "swapped names": _swap_names,
    "removed": _remove_header,
    "column removed": _remove_column,
    "column added": _add_column,
    "header repeated": _repeat_header,
}


def _change_rows(tables: Tables, random: Random) -> None:
    name, rows, _ = _pick(tables, random)
    if len(rows) < 2:
        return
    kind, i = random.randrange(8), random.randrange(1, len(rows))
    if kind == 0:
        rows += [list(row) for row in rows[1:]] * random.choice([1, 19])
    elif kind == 1:
        rows.append(list(rows[i]))
    elif kind == 2:
        del rows[1:]
    elif kind == 3:
        rows.insert(i, [])
    elif kind == 4:
        rows[i] = rows[i][:-1]
    elif kind == 5:
        rows[i] = [*rows[i], "more"]
    elif kind == 6:
        rows[i] = [""] * len(rows[i])
    else:
        rows[1:] = random.sample(rows[1:], len(rows) - 1)
    tables.made.append(f"rows of {name}: {kind}")


def _change_bytes(tables: Tables, random: Random) -> None:
    name, *_ = _pick(tables, random)
    at = random.random()
    byte = bytes([random.randrange(256)])
    kind = random.randrange(9)
    edits: list[Callable[[bytes], bytes]] = [
        lambda data: data.decode("utf-8", "replace").encode("latin-1", "replace"),
        lambda data: data.decode("utf-8", "replace").encode("utf-16"),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: data[: int(at * len(data))],
        lambda data: data[: int(at * len(data))] + byte + data[int(at * len(data)) :],
        lambda data: data[: int(at * len(data))] + b'"' + data[int(at * len(data)) :],
        lambda data: data.replace(b",", b";"),
        lambda data: b"\xef\xbb\xbf" + data,
    ]
    tables.edits[name] = edits[kind]
    tables.made.append(f"bytes of {name}: {kind}, {at:.3f}, {byte!r}")


PARAMETERS: list[dict[str, Any]] = [
    {"ids": {"user_id": "integer", "item_id": "integer"}},
    {"ids": {"user_id": "text", "item_id": "integer"}},
    {"timestamps": "milliseconds"},
    {"timestamps": "nanoseconds"},
    {"timestamps": "datetime"},
    {"timestamps": "excel"},
    {"timestamps": {"format": "%d.%m.%Y %H:%M"}},
    {"timestamps": {"format": "%m/%d/%Y %I:%M %p"}},
    {"timestamps": {"format": "%Y%m%d"}},
    {"decimal": ","},
    {"missing": ["NA", "?", "1"]},
    {"invalid": "drop"},
    {"invalid": "drop", "missing": ["NA"]},
    {"separator": "|"},
    {"years": {"first": 1970, "last": 2099}},
    {"tags": {"format": "python"}},
    {"tags": {"format": "json"}},
    {"price": {"type": "price"}},
    {"columns": {"timestamp": None}},
    {"columns": {"rating": None}},
]


def _change_parameters(tables: Tables, random: Random) -> None:
    changed = random.choice(PARAMETERS)
    tables.parameters |= changed
    tables.made.append(f"parameters {changed}")


def _number(value: Any, default: float = 0.0) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


TYPES: dict[str, Callable[[list[Any]], pa.Array]] = {
    "int64": lambda v: pa.array([int(_number(x)) % 2**62 for x in _finite(v)]),
    "int8": lambda v: pa.array([int(_number(x)) % 100 for x in _finite(v)], pa.int8()),
    "uint64": lambda v: pa.array([2**64 - 1 for _ in v], pa.uint64()),
    "float64": lambda v: pa.array([_number(x) for x in v]),
    "float32": lambda v: pa.array([_number(x) for x in v], pa.float32()),
    "fractions": lambda v: pa.array([_number(x) + 0.5 for x in v]),
    "NaN": lambda v: pa.array([float("nan") for _ in v]),
    "decimal": lambda v: pa.array([int(_number(x)) for x in _finite(v)]).cast(
        pa.decimal128(30, 2)
    ),
    "bool": lambda v: pa.array([True for _ in v]),
    "null": lambda v: pa.nulls(len(v)),
    "bytes": lambda v: pa.array([str(x).encode() for x in v]),
    "date": lambda v: pa.array([18_000 + i for i in range(len(v))], pa.date32()),
    "timestamp": lambda v: pa.array(
        [1_600_914_131_000_000 + i for i in range(len(v))], pa.timestamp("us")
    ),
    "time": lambda v: pa.array(range(len(v)), pa.time32("s")),
    "duration": lambda v: pa.array(range(len(v)), pa.duration("s")),
    "list": lambda v: pa.array([[str(x), "b"] for x in v]),
    "nested list": lambda v: pa.array([[[str(x)]] for x in v]),
    "list of structs": lambda v: pa.array([[{"name": str(x)}] for x in v]),
    "struct": lambda v: pa.array([{"name": str(x)} for x in v]),
    "dictionary": lambda v: pa.array([str(x) for x in v]).dictionary_encode(),
    "text": lambda v: pa.array([str(x) for x in v], pa.large_string()),
}


def _finite(values: list[Any]) -> list[Any]:
    return [x if abs(_number(x)) < float("inf") else 0 for x in values]


def _change_type(tables: Tables, random: Random) -> None:
    name, rows, column = _pick(tables, random)
    if not rows or not rows[0] or len(set(rows[0])) < len(rows[0]):
        return
    kind = random.choice(list(TYPES))
    tables.typed[name] = (rows[0][column], TYPES[kind])
    tables.made.append(f"{name}.{rows[0][column]} is Parquet's {kind}")


MUTATIONS: list[Callable[[Tables, Random], None]] = [
    *[_change_cell, _change_column] * 3,
    *[_change_type, _change_parameters] * 2,
    *[_change_header, _change_rows, _change_bytes],
]
