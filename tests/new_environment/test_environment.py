"""Guesses on the layouts of well-known publishers, and on side tables."""

import json

import pandas as pd
import pytest
from kedro.io import DatasetError

from tests.new_environment.publishers import COLUMNS, LAYOUTS, UNDECIDED
from two_tower.new_environment.environment import guess_environment
from two_tower.new_environment.roles import UndecidedError

EVENTS = "user,item,time\n" + "".join(
    f"{1 + i % 5},{1 + i % 4},{1600000000 + i}\n" for i in range(20)
)


@pytest.fixture
def guess(tmp_path):
    """Return a function of texts that writes them as files and guesses."""

    def guess(interactions, items=None, users=None, **options):
        paths = []
        for name, content in (("x", interactions), ("items", items), ("users", users)):
            path = tmp_path / f"{name}.csv"
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                path.write_bytes(data)
            paths.append(None if content is None else str(path))
        return guess_environment(*paths, **options)

    return guess


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_and_times_of_publishers_are_guessed(guess, layout):
    text, expected = LAYOUTS[layout]
    found = guess(text)
    roles = found.interactions
    assert (
        roles.user.name,
        roles.item.name,
        roles.time.name,
        roles.times.written,
        roles.rating.name if roles.rating else None,
    ) == expected
    assert found.interactions_table.options.get("columns") == COLUMNS.get(layout)


def test_columns_that_nothing_tells_are_asked_for(guess):
    with pytest.raises(UndecidedError, match="name it by --user-column, one of: a, b"):
        guess(UNDECIDED)
    found = guess(UNDECIDED, user_column="c", item_column="a")
    assert (found.interactions.user.name, found.interactions.item.name) == ("c", "a")


def test_a_column_that_is_not_there_is_refused(guess):
    with pytest.raises(UndecidedError, match=r"--user-column is x, .*: user, item"):
        guess(EVENTS, user_column="x")


def test_ids_are_text_where_a_table_needs_it(guess):
    assert guess(EVENTS).ids == {"user_id": "integer", "item_id": "integer"}
    items = "item,kind\n" + "".join(f"A{i},k{i % 2}\n" for i in range(1, 5))
    found = guess(EVENTS, items)
    assert found.ids == {"user_id": "integer", "item_id": "text"}
    (check,) = found.checks
    assert "0 of 4 items of the interactions' first rows are in" in check
    assert "ids there look like A1, here like 1" in check


def test_ids_with_zeros_in_front_are_numbers_where_only_so_they_meet(guess):
    padded = "item,kind\n" + "".join(f"000{i},k{i % 2}\n" for i in range(1, 5))
    found = guess(EVENTS, padded)
    assert (found.ids["item_id"], found.checks) == ("integer", [])
    same = guess(EVENTS.replace(",1,", ",01,"), padded.replace("000", "0"))
    assert same.ids["item_id"] == "text"


ITEMS = pd.DataFrame(
    {
        "item": range(1, 41),
        "Product Name": [f"The tea of garden {i}" for i in range(40)],
        "price (CHF)": [f"CHF {i}.50" for i in range(40)],
        "tags": ["a|b", "b|c"] * 20,
        "parsed": ['["a", "b"]', "[]"] * 20,
        "printed": ["['a', 'b']", "['c']"] * 20,
        "codes": [7, 8] * 20,
        "stock": range(100, 140),
        "weight": [f"{i},5" for i in range(40)],
        "colour": ["red", "NA", "blue", "red"] * 10,
        "text": [
            f"A long text {i} that says all there is to say. " * 2 for i in range(40)
        ],
        "photo": ["https://example.org/1"] * 40,
        "added": ["2020-09-24"] * 40,
        "shop": ["x"] * 40,
        "empty": [None] * 40,
    }
)


def test_features_are_guessed_with_their_types(guess):
    found = guess(EVENTS, ITEMS.to_csv(index=False))
    side = found.items
    assert side.title.name == "Product Name"
    assert {f.name: (f.ingested, f.kind) for f in side.features} == {
        "price_chf": ({"type": "price"}, "dense"),
        "tags": ({"type": "list", "separator": "|"}, "multi_valued"),
        "parsed": ({"type": "list", "format": "json"}, "multi_valued"),
        "printed": ({"type": "list", "format": "python"}, "multi_valued"),
        "codes": ({"type": "integer"}, "categorical"),
        "stock": ({"type": "integer"}, "dense"),
        "weight": ({"type": "number"}, "dense"),
        "colour": ({"type": "text"}, "categorical"),
        "text": ({"type": "text"}, "words"),
    }
    assert [c.column for c in side.skipped] == ["photo", "added", "shop", "empty"]
    assert (found.decimal, found.missing) == (",", ["NA"])


@pytest.mark.parametrize(
    ("prices", "decimal"),
    [
        (["1.001,90", "0,90"], ","),
        (["12,50 €", "7,00 €"], ","),
        (["$1,299", "$12"], "."),
        (["1,001.90", "0.90"], "."),
    ],
)
def test_prices_tell_the_decimal_mark(guess, prices, decimal):
    rows = "".join(f"{i};{prices[i % 2]};k{i % 3}\n" for i in range(1, 9))
    found = guess(EVENTS, f"item;price;kind\n{rows}")
    assert found.items.features[0].ingested == {"type": "price"}
    assert found.decimal == decimal


def test_vectors_are_no_feature(guess):
    lines = ({"item": i, "vector": [0.1, i / 3]} for i in range(1, 9))
    side = guess(EVENTS, json_lines(lines)).items
    assert [one.column for one in side.skipped] == ["vector"]


def test_items_without_header_have_the_title_that_differs_in_each_row(guess):
    items = "".join(f"{i}|The tea of garden {i}|k{i % 2}\n" for i in range(1, 9))
    side = guess(EVENTS, items).items
    assert side.table.options["columns"] == ["item", "column_2", "column_3"]
    assert side.title.name == "column_2"


def json_lines(lines):
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_json_lines_keep_their_lists_and_leave_objects_of_many_keys(guess):
    rank = {f"in {shop}": 1 for shop in range(21)}
    found = guess(
        EVENTS,
        json_lines(
            {"item": i, "name": f"n{i}", "tags": [["a"], ["b"]], "rank": rank}
            for i in range(1, 9)
        ),
    )
    (tags,) = found.items.features
    assert (tags.column, tags.ingested) == ("tags", {"type": "list"})
    assert [one.column for one in found.items.skipped] == ["rank"]


def test_json_lines_are_read_within_their_objects(guess):
    lines = [
        {
            "user": {"id": f"u{i % 5}", "name": "x"},
            "product": {"asin": f"{i % 4:07}", "offer": {"tags": ["a", "b"]}},
            "event": {"time": f"2020-09-24T10:00:{i:02}Z", "stars": 1 + i % 3},
        }
        for i in range(40)
    ]
    found = guess(json_lines(lines))
    roles = found.interactions
    assert (roles.user.name, roles.item.name) == ("user.id", "product.asin")
    assert (roles.time.name, roles.times.written) == ("event.time", "datetime")
    assert roles.rating.name == "event.stars"
    rest = found.interactions_table.column("product.offer.tags")
    assert rest.values[0] == ["a", "b"]


def test_parquet_is_read_with_its_types(guess, tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame(
        {
            "user": [1, 2] * 20,
            "item": [3, 4, 5, 6] * 10,
            "time": pd.date_range("2020-09-24", periods=40),
        }
    ).to_parquet(path)
    found = guess(path.read_bytes())
    assert found.interactions_table.options == {"file_format": "parquet"}
    assert found.interactions.times.written == "datetime"
    assert found.ids == {"user_id": "integer", "item_id": "integer"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_are_guessed(guess, encoding):
    users = "user,town\n" + "".join(f"{i},Zürich {i % 2}\n" for i in range(1, 6))
    found = guess(EVENTS, users=users.encode(encoding))
    options = found.users.table.options
    assert options.get("encoding", "utf-8") == encoding.removesuffix("-sig")
    assert found.users.features[0].reason.endswith("Zürich 1 (3), Zürich 0 (2)")


def test_lines_of_items_are_recognised(guess):
    lines = "".join(f"{u} {' '.join(map(str, range(u, 9)))}\n" for u in range(6))
    table = guess(lines).interactions_table
    assert table.type.endswith("ItemListsDataset")
    assert table.n_rows == 39


def test_what_a_person_must_decide_is_said(guess):
    rows = "".join(f"1,{i % 3},2020-03-0{1 + i % 9},{i % 2 == 0}\n" for i in range(30))
    checks = guess("user,item,day,stars\n" + rows).checks
    assert "user has one user in the first rows; is it the user?" in checks
    assert any("stars would be the rating, but it holds texts" in c for c in checks)
    assert any("of the first 30 rows repeat an earlier one" in c for c in checks)
    pairs = guess("user\titem\n" + "a\tb\nc\td\n" * 2).checks
    assert any("no column holds times" in check for check in pairs)
    days = "".join(
        f"{i % 3},{i % 4},0{1 + i % 9}/0{1 + i % 8}/2020\n" for i in range(30)
    )
    ambiguous, again = guess("user,item,day\n" + days).checks
    assert "would also fit" in ambiguous
    assert "evaluation.seen: ranked" in again


def test_columns_that_could_mean_more_than_is_read_are_named(guess):
    def checks(header, *values):
        rows = [f"{i % 5},{i % 8},{values[i % len(values)]}\n" for i in range(40)]
        return "\n".join(guess(f"user,item,{header}\n" + "".join(rows)).checks)

    mixed = checks("time", "2020-09-24", "24.09.2020", "09/24/2020")
    assert "such as 2020-09-24 and 24.09.2020, are of no single form" in mixed
    far = checks("time", "5600002058", "5600002059")
    assert "such as 5600002058 and 5600002059, are of no single form" in far
    split = checks("date,time", "2020-09-24,10:11:12", "2020-09-25,9:10")
    assert "date is read without time; join both" in split
    assert "liked would be the rating" in checks("liked", "True", "False")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04rest", "a zip archive or an Excel workbook"),
        (b'[{"user": 1}]', "is one JSON array"),
        (b"a\nb\n", "no separator"),
        (b"user,item,time\n", "a header, but no rows"),
    ],
)
def test_files_that_are_no_table_are_refused(guess, content, message):
    with pytest.raises(DatasetError, match=message):
        guess(content)
