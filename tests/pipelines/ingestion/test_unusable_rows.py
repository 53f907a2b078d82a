"""Rows that can't be used: refused with the first of them, or dropped and counted."""

import logging

import pytest

from two_tower.pipelines.ingestion.nodes import (
    type_interactions,
    type_items,
    type_users,
)

PURCHASES = "customer,book,bought_at,stars\n"
SOUND = "a,b,2024-01-01,5\n"
ITEMS = {"items": [{"name": "f", "column": "f", "type": "text"}], "users": []}


def rows(table):
    return table.to_pyarrow().to_pylist()


def of_type(kind, **options):
    feature = {"name": "f", "column": "f", "type": kind} | options
    return {"features": {"items": [feature], "users": []}}


@pytest.fixture
def purchases(read):
    return lambda *lines: read(
        "purchases.csv", PURCHASES + SOUND + "".join(f"{line}\n" for line in lines)
    )


@pytest.fixture
def books(read):
    return lambda *lines: read(
        "books.csv", "book,name,f\n" + "".join(f"{line}\n" for line in lines)
    )


@pytest.mark.parametrize(
    ("line", "changed", "reason"),
    [
        (",b,2024-01-01,5", {}, "rows have no user_id (column customer)"),
        ("NA,b,2024-01-01,5", {}, "rows have no user_id (column customer)"),
        ("a, ,2024-01-01,5", {}, "rows have no item_id (column book)"),
        ("a,b,,5", {}, "rows have no timestamp (column bought_at)"),
        ("a,b,1.1.2024,5", {}, "values of the column bought_at are not dates in ISO"),
        ("a,b,1969-12-31,5", {}, "times of the column bought_at lie before 1970"),
        ("a,b,2100-01-01,5", {}, "times of the column bought_at lie after 2099"),
        ("a,b,2024-01-01,bad", {}, "values of the column stars are not numbers"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_or_dropped(
    purchases, own, caplog, line, changed, reason
):
    raw = purchases(line)
    changed = {"missing": ["NA"]} | changed
    with pytest.raises(ValueError, match=r"1 of 2 .* in row 2") as error:
        type_interactions(raw, own(**changed))
    assert reason in str(error.value)
    assert "set ingestion.invalid to drop" in str(error.value)
    with caplog.at_level(logging.WARNING):
        table, counts = type_interactions(raw, own(**changed, invalid="drop"))
    assert [row["event_id"] for row in rows(table)] == [0]
    assert (counts["read"], counts["used"]) == (2, 1)
    assert [reason in found for found in counts["invalid"]] == [True]
    assert "1 of 2 rows are used; left out: 1 of 2" in caplog.text


def test_all_reasons_are_counted_at_once(purchases, own):
    raw = purchases(",b,2024-01-01,5", ",b,2024-01-01,5", "a,b,,many")
    with pytest.raises(ValueError, match="2 of 4 rows have no user_id") as error:
        type_interactions(raw, own())
    assert "1 of 4 rows have no timestamp" in str(error.value)
    assert "1 of 4 values of the column stars are not numbers, the first 'many'" in str(
        error.value
    )


def test_a_source_of_which_nothing_is_left_is_refused_all_the_same(read, own):
    raw = read("a.csv", f"{PURCHASES}a,b,24.09.2020,5\n")
    message = r'no row .* \(it would fit ingestion.timestamps: {format: "%d.%m.%Y"}\)'
    with pytest.raises(ValueError, match=message):
        type_interactions(raw, own(invalid="drop"))


def test_times_of_1970_need_confirmation(read, own):
    raw = read("a.csv", f"{PURCHASES}a,b,1600914131,5\n")
    declared = {"timestamps": "milliseconds"}
    years = {"years": {"first": 1971, "last": 2099}}
    with pytest.raises(ValueError, match=r"before 1971.*timestamps: seconds"):
        type_interactions(raw, own(**declared, **years))
    table, _ = type_interactions(raw, own(**declared))  # its years begin with 1970
    assert rows(table)[0]["timestamp"] == 1_600_914


def test_a_source_without_times_has_null_in_every_row(read, own):
    columns = own().columns.model_dump()
    columns["interactions"] |= {"timestamp": None}
    raw = read("a.csv", "customer,book,stars\na,b,5\nb,c,\n")
    table, _ = type_interactions(raw, own(columns=columns))
    assert [row["timestamp"] for row in rows(table)] == [None, None]
    assert str(table.schema()["timestamp"]) == "int64"


def test_exponents_that_lost_seconds_are_refused(read, own):
    raw = read("a.csv", f"{PURCHASES}a,b,1.60E+09,5\na,c,1600914131,5\n")
    with pytest.raises(ValueError, match=r"1 of 2 times .* lost seconds .*'1.60E\+09'"):
        type_interactions(raw, own(timestamps="seconds"))


def test_prices_and_decimal_commas_are_read_by_declaration(books, own):
    table, counts = type_items(
        books('1,A,"12,50 €"', "2,B,"), own(**of_type("price"), decimal=",")
    )
    assert [row["f"] for row in rows(table)] == [12.5, None]
    assert counts["features"] == {"f": 1}
    raw = books('1,A,"4,5"')
    with pytest.raises(ValueError, match=r'ingestion\.decimal: ","'):
        type_items(raw, own(**of_type("number")))


def test_repeated_items_are_refused_or_the_first_is_kept(books, own):
    raw = books("2,B,x", "1,A,x", "2,C,y", "2,D,z")
    with pytest.raises(
        ValueError, match=r"2 of 4 rows repeat the item_id .* the first '2' in row 3"
    ):
        type_items(raw, own(features=ITEMS))
    table, counts = type_items(raw, own(features=ITEMS, invalid="drop"))
    assert [row["title"] for row in rows(table)] == ["A", "B"]
    assert counts["invalid"] == {
        "rows repeat the item_id of an earlier row (column book)": 2
    }


def test_a_value_that_does_not_fit_leaves_its_item_if_it_may_be_dropped(books, own):
    raw = books("1,A,12", "2,B,unknown", ",C,1")
    table, counts = type_items(raw, own(**of_type("integer"), invalid="drop"))
    assert [(row["title"], row["f"]) for row in rows(table)] == [("A", 12), ("B", None)]
    assert counts["invalid"] == {
        "rows have no item_id (column book)": 1,
        "values of the column f are not whole numbers": 1,
    }


def test_a_feature_without_any_value_is_refused(books, own):
    with pytest.raises(ValueError, match=r"the features f of raw_items have no value"):
        type_items(books("1,A,", "2,B, "), own(features=ITEMS))
    table, counts = type_items(books(), own(features=ITEMS))  # but not without rows
    assert rows(table) == []
    assert counts["features"] == {"f": 0}


@pytest.mark.parametrize(
    ("values", "declared", "warning"),
    [
        (
            ["\"['a', 'b']\"", "\"['c']\""],
            of_type("list"),
            "2 of 2 values of f are tex",
        ),
        (['"[""a""]"', "b"], of_type("list"), "1 of 2 values of f are text in bracket"),
        (
            ["\"['a', 'b']\"", "x"],
            of_type("text"),
            "1 of 2 values of f are text in bra",
        ),
        (["a|b", "c"], of_type("list"), "no value of f has the separator ';'.*'|'"),
        (["a;b", "c"], of_type("list", separator="|"), "has the separator '|'.*';'"),
        (["a;b", "c"], of_type("list"), None),
        (["a|b", "c"], of_type("list", separator="|"), None),
        (["a", ""], of_type("list"), None),
        (["[remix]", "b"], of_type("integer"), None),
        (["\"['a', 'b']\""] * 2, of_type("list", format="python"), None),
    ],
)
def test_lists_in_another_form_are_warned_of(
    books, own, caplog, values, declared, warning
):
    if declared["features"]["items"][0]["type"] == "integer":
        values = ["1", "2"]
    raw = books(*(f"{i},A,{value}" for i, value in enumerate(values)))
    with caplog.at_level(logging.WARNING):
        _, counts = type_items(raw, own(**declared))
    assert len(counts["warnings"]) == (warning is not None)
    if warning:
        assert warning.split(".*", maxsplit=1)[0] in counts["warnings"][0]
        assert warning.split(".*")[-1] in counts["warnings"][0]
        assert counts["warnings"][0] in caplog.text


def test_users_follow_the_same_rules(read, own):
    raw = read("a.csv", "customer,country,born,newsletters\na,CH,1,x;y\na,CH,x,z\n")
    with pytest.raises(ValueError, match="raw_users has rows that can't be used"):
        type_users(raw, own())
    table, counts = type_users(raw, own(invalid="drop"))
    assert rows(table) == [
        {"user_id": "a", "country": "CH", "born": 1, "newsletters": ["x", "y"]}
    ]
    assert (counts["read"], counts["used"]) == (2, 1)
