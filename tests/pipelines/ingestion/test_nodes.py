"""Ingestion of the user's own tables, from the example of conf/own-data."""

import datetime as dt

import pyarrow as pa
import pytest
from kedro.io import DataCatalog, DatasetError

from two_tower.datasets.absent_table import AbsentTableDataset
from two_tower.pipelines.ingestion import nodes


def rows(table):
    return table.to_pyarrow().to_pylist()


def type_interactions(raw, parameters):
    return nodes.type_interactions(raw, parameters)[0]


def type_items(raw, parameters):
    return nodes.type_items(raw, parameters)[0]


def type_users(raw, parameters):
    return nodes.type_users(raw, parameters)[0]


def test_the_example_is_ingested(ingest):
    catalog = ingest("own-data")
    interactions, items, users = (
        catalog.load(name) for name in ("interactions", "items", "users")
    )
    counts = [table.count().execute() for table in (interactions, items, users)]
    assert counts == [2368, 120, 200]
    # purchases.csv: 00111,0056,2023-01-08T16:29:12Z,4
    assert rows(interactions.order_by("event_id").limit(1)) == [
        {"event_id": 0, "user_id": "00111", "item_id": "0056"}
        | {"timestamp": 1673195352, "rating": 4.0}
    ]
    # customers.csv: 00001,CH,1985,poetry;travel
    assert rows(users.order_by("user_id").limit(1)) == [
        {"user_id": "00001", "country": "CH", "born": 1985}
        | {"newsletters": ["poetry", "travel"]}
    ]
    assert {name: str(of) for name, of in items.schema().items()} == {
        "item_id": "string",
        "title": "string",
        "author": "string",
        "topics": "array<string>",
        "price": "float32",
    }


def test_all_books_and_customers_of_the_examples_purchases_are_in_their_tables(ingest):
    catalog = ingest("own-data")
    interactions = catalog.load("interactions")
    for name, key in (("items", "item_id"), ("users", "user_id")):
        missing = interactions.anti_join(catalog.load(name), key)
        assert missing.count().execute() == 0


def save_checked(data, interactions):
    """Save as the catalog does, with the check before it."""
    of_check = "two_tower.pipelines.ingestion.checks.interactions_are_sound"
    entry = {
        "type": "two_tower.datasets.parquet_shards.ParquetShardsDataset",
        "filepath": str(data / "interactions"),
        "validator": {"class": of_check, "on": ["save"]},
    }
    DataCatalog.from_config({"interactions": entry}).save("interactions", interactions)


PURCHASES = "customer,book,bought_at,stars\n"


def test_ids_that_look_like_numbers_stay_as_written(read, own):
    raw = read("a.csv", f"{PURCHASES}007,0042,2024-01-01,\n7,42,2024-01-01,5\n")
    ids = [
        (row["user_id"], row["item_id"]) for row in rows(type_interactions(raw, own()))
    ]
    assert ids == [("007", "0042"), ("7", "42")]


def test_events_keep_the_order_of_the_file(read, own):
    n = 300_000  # more than one of DuckDB's row groups and CSV buffers
    numbers = pa.array(range(n)).cast(pa.string())
    columns = {"customer": numbers, "book": numbers, "stars": pa.nulls(n, pa.string())}
    day = pa.array(["2024-01-01"] * n)
    raw = read("a.parquet", columns | {"bought_at": day})
    typed = type_interactions(raw, own())
    moved = typed.filter(typed.event_id.cast("string") != typed.user_id)
    assert (typed.count().execute(), moved.count().execute()) == (n, 0)


def test_times_of_day_and_zone_are_read(read, own):
    times = [
        "1970-01-01",
        "1970-01-01 00:00:01",
        "1970-01-01T00:00:02Z",
        "1970-01-01T02:00:03+02:00",
        "1970-01-01T00:00:04.999",
        "2050-01-01T00:00:00Z",
    ]
    text = "".join(f"a,b,{time},\n" for time in times)
    typed = type_interactions(read("a.csv", PURCHASES + text), own())
    # 2050: 80 years of 365 days and 20 leap days
    expected = [0, 1, 2, 3, 4, (80 * 365 + 20) * 86_400]
    assert [row["timestamp"] for row in rows(typed)] == expected


@pytest.mark.parametrize(
    ("time", "written", "expected"),
    [
        (pa.scalar(90, pa.int32()), "seconds", 90),
        (pa.scalar(90.7), "seconds", 90),
        (pa.scalar("90"), "seconds", 90),
        (pa.scalar(978300760999), "milliseconds", 978300760),
        (pa.scalar("978300760999"), "milliseconds", 978300760),
        (pa.scalar(dt.datetime(1970, 1, 2), pa.timestamp("ns")), "datetime", 86400),
        (pa.scalar(0, pa.timestamp("us", "Asia/Tokyo")), "datetime", 0),
        (pa.scalar(dt.date(1970, 1, 2)), "datetime", 86400),
    ],
)
def test_times_become_seconds_from_every_format(read, own, time, written, expected):
    columns = {"customer": ["a"], "book": ["b"], "stars": ["5"]}
    raw = read("a.parquet", columns | {"bought_at": pa.array([time])})
    typed = type_interactions(raw, own(timestamps=written))
    assert [row["timestamp"] for row in rows(typed)] == [expected]


def test_integer_ids_and_a_column_for_the_order(read, own):
    columns = {"n": [2, 1], "who": [7, 8], "what": [70, 80], "when": [5, 5]}
    names = {"event_id": "n", "user_id": "who", "item_id": "what"}
    tables = own().columns.model_dump()
    parameters = own(
        ids={"user_id": "integer", "item_id": "integer"},
        timestamps="seconds",
        columns=tables
        | {"interactions": names | {"timestamp": "when", "rating": None}},
    )
    typed = type_interactions(read("a.parquet", columns), parameters)
    assert rows(typed) == [
        {"event_id": 1, "user_id": 8, "item_id": 80, "timestamp": 5, "rating": None},
        {"event_id": 2, "user_id": 7, "item_id": 70, "timestamp": 5, "rating": None},
    ]
    assert str(typed.schema()["rating"]) == "float32"


def test_lists_come_as_lists_or_as_separated_text(read, own):
    kept = [{"name": "tags", "column": "tags", "type": "list"}]
    parameters = own(features={"items": kept, "users": []})
    text = 'book,name,tags\n1,A,"x; y;;"\n2,B,\n3,C, \n'
    lists = [["x", None, " y "], None, []]
    table = {"book": ["1", "2", "3"], "name": ["A", "B", "C"], "tags": lists}
    for raw in (read("a.csv", text), read("a.parquet", table)):
        tags = [row["tags"] for row in rows(type_items(raw, parameters))]
        assert tags == [["x", "y"], [], []]


def test_features_are_kept_as_they_are_declared(read, own):
    names = ["text", "integer", "number"]
    kept = [{"name": f"as_{name}", "column": "x", "type": name} for name in names]
    parameters = own(features={"items": [], "users": kept})
    typed = type_users(read("a.csv", "customer,x\na,05\nb,\n"), parameters)
    assert rows(typed) == [
        {"user_id": "a", "as_text": "05", "as_integer": 5, "as_number": 5.0},
        {"user_id": "b", "as_text": None, "as_integer": None, "as_number": None},
    ]


def test_items_and_users_may_be_absent(own):
    nothing = own().columns.model_dump() | {"items": {"item_id": "book", "title": None}}
    parameters = own(columns=nothing, features={"items": [], "users": []})
    items = type_items(
        AbsentTableDataset(columns={"book": "string"}).load(), parameters
    )
    users = type_users(
        AbsentTableDataset(columns={"customer": "string"}).load(), parameters
    )
    assert [str(of) for of in items.schema().values()] == ["string", "string"]
    assert [str(of) for of in users.schema().values()] == ["string"]
    assert rows(items) == rows(users) == []


def test_a_missing_column_is_named_with_those_that_there_are(read, own):
    raw = read("a.csv", "client,book,bought_at,stars\na,b,2024-01-01,\n")
    with pytest.raises(ValueError, match="no column customer; it has client, book"):
        type_interactions(raw, own())


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("customer", [True], "customer has the type boolean, but .* declare text"),
        ("book", [b"7"], "book has the type binary, but .* declare text"),
        ("bought_at", [7], "bought_at has the type int64, but .* declare dates"),
    ],
)
def test_a_column_of_another_type_than_declared_is_refused(
    read, own, column, values, message
):
    sound = {"customer": ["a"], "book": ["b"], "bought_at": ["2024-01-01"]}
    raw = read("a.parquet", sound | {"stars": ["5"]} | {column: values})
    with pytest.raises(ValueError, match=message):
        type_interactions(raw, own())


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("list", [1], "the type int64, but .* declare lists"),
        ("text", [["a"]], "the type array<string>, but .* declare text"),
        ("integer", [1.5], "1 of 1 values of the column x are not whole numbers"),
        ("number", [dt.date(2024, 1, 1)], "the type date, but .* declare numbers"),
    ],
)
def test_a_feature_of_another_type_than_declared_is_refused(
    read, own, kind, values, message
):
    kept = [{"name": "x", "column": "x", "type": kind}]
    raw = read("a.parquet", {"customer": ["a"], "x": values})
    with pytest.raises(ValueError, match=message):
        type_users(raw, own(features={"items": [], "users": kept}))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,b,yesterday,5", "yesterday"),
        ("a,b,2024-01-01,many", "many"),
        ("a,b,2024-01-01", "purchases.csv can't be read: line 3 has 3 values"),
        ("a,b,c,d,e", "purchases.csv can't be read: line 3 has 5 values"),
        (",b,2024-01-01,5", "1 of 2 rows have no user_id .*, the first in row 2"),
        ("a,b,,5", "1 of 2 rows have no timestamp .*, the first in row 2"),
        ("a,b,1969-12-31,5", "bought_at lie before 1970, the first '1969.* in row 2"),
        ("a,b,2101-01-01,5", "1 of 2 times of the column bought_at lie after 2099"),
        ("a,b,2024-01-01,inf", "stars are not numbers, the first 'inf' in row 2"),
    ],
)
def test_a_bad_line_stops_the_run(data, own, read, line, message):
    text = f"{PURCHASES}a,b,2024-01-01,5\n{line}\n"
    with pytest.raises((DatasetError, ValueError), match=message):
        save_checked(data, type_interactions(read("purchases.csv", text), own()))
    assert not (data / "interactions").exists()
