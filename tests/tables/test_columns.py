"""Columns of any source: exact, or null where a value does not fit."""

import decimal
import math

import ibis
import pyarrow as pa
import pytest

from two_tower.tables.columns import (
    mark_missing,
    read_id,
    read_integers,
    read_numbers,
    read_prices,
    read_text,
    require_columns,
)

LARGEST = 2**63 - 1


def test_whole_numbers_as_text_are_kept(column, values):
    texts = column("7", "007", "-1", " 12 ", "12.0", "3.", None, str(LARGEST))
    assert values(read_integers(texts).values) == [7, 7, -1, 12, 12, 3, None, LARGEST]


@pytest.mark.parametrize(
    "text",
    ["1.5", "1e3", "1e16", "0x1f", "1_000", "seven", "-", "1,0", str(LARGEST + 1)],
)
def test_text_that_is_no_whole_number_does_not_fit(column, values, text):
    typed = read_integers(column("7", text, None))
    assert values(typed.values) == [7, None, None]
    assert values(typed.is_unfit) == [False, True, False]
    assert values(typed.is_missing) == [False, False, True]


@pytest.mark.parametrize(
    ("found", "of", "expected"),
    [
        (12.0, pa.float64(), 12),
        (12.5, pa.float64(), None),
        (2.0**53 - 1, pa.float64(), 2**53 - 1),
        (2.0**53, pa.float64(), None),
        (1e16, pa.float64(), None),
        (math.inf, pa.float64(), None),
        (2.0**24 - 1, pa.float32(), 2**24 - 1),
        (2.0**24, pa.float32(), None),
        (decimal.Decimal("12.00"), pa.decimal128(20, 2), 12),
        (decimal.Decimal("12.01"), pa.decimal128(20, 2), None),
        (decimal.Decimal(10**25), pa.decimal128(38, 0), None),
        (2**64 - 1, pa.uint64(), None),
        (200, pa.uint8(), 200),
    ],
)
def test_numbers_are_ids_only_where_they_are_exact(column, values, found, of, expected):
    typed = read_id(column(found, of=of), "integer")
    assert values(typed.values) == [expected]
    assert values(typed.is_unfit) == [expected is None]


@pytest.mark.parametrize(
    ("found", "of", "expected"),
    [
        ("007", None, "007"),
        ("12.0", None, "12.0"),
        (7, pa.int16(), "7"),
        (12.0, pa.float64(), "12"),
        (12.5, pa.float64(), None),
        (decimal.Decimal("12.00"), pa.decimal128(20, 2), "12"),
    ],
)
def test_text_ids_are_the_text_or_the_digits(column, values, found, of, expected):
    assert values(read_id(column(found, of=of), "text").values) == [expected]


@pytest.mark.parametrize(
    ("text", "decimal_mark", "expected"),
    [
        ("4.5", ".", 4.5),
        (" -.5 ", ".", -0.5),
        ("1e3", ".", 1000.0),
        ("4,5", ".", None),
        ("4,5", ",", 4.5),
        ("4.5", ",", None),
        ("1.234,5", ",", None),
        ("True", ".", None),
        ("nan", ".", None),
        ("inf", ".", None),
        ("1e39", ".", None),
        ("1e400", ".", None),
        ("1_000", ".", None),
        ("", ".", None),
    ],
)
def test_numbers_are_read_by_their_decimal_mark(
    column, values, text, decimal_mark, expected
):
    assert values(read_numbers(column(text), decimal_mark).values) == [expected]


@pytest.mark.parametrize(
    ("found", "expected"), [(True, 1.0), (3, 3.0), (1e300, None), (math.inf, None)]
)
def test_typed_numbers_stay_finite(column, values, found, expected):
    assert values(read_numbers(column(found), ".").values) == [expected]


@pytest.mark.parametrize(
    ("text", "decimal_mark", "expected"),
    [
        ("$12.99", ".", 12.99),
        ("12,50 €", ",", 12.5),
        ("CHF 1'234.50", ".", 1234.5),
        ("Fr. 5.90", ".", 5.9),
        ("1,234.50 USD", ".", 1234.5),
        ("1.234,50", ",", 1234.5),
        ("1\u00a0234,50 €", ",", 1234.5),
        ("-$5", ".", -5.0),
        ("12.-", ".", 12.0),
        ("7", ".", 7.0),
        ("4,5", ".", None),
        ("4.5", ",", None),
        ("$12.99 - $15.00", ".", None),
        ("2 for 5", ".", None),
        ("free", ".", None),
    ],
)
def test_prices_lose_their_currency_and_marks_of_thousands(
    column, values, text, decimal_mark, expected
):
    (found,) = values(read_prices(column(text), decimal_mark).values)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (read_integers, [1]),
        (read_integers, True),
        (read_text, [1]),
        (read_text, b"a"),
        (lambda column: read_id(column, "text"), True),
        (lambda column: read_numbers(column, "."), b"4"),
    ],
)
def test_a_column_of_another_type_is_refused(column, read, value):
    with pytest.raises(ValueError, match="column it has the type"):
        read(column(value))


def test_blanks_and_declared_texts_are_missing():
    table = ibis.memtable(
        pa.table({"a": ["x", " ", "NA", " ? "], "n": [1.5, math.nan, -1.0, 0.0]})
    )
    found = mark_missing(table, ["a", "n", None], ["NA", "?", "-1.0"])
    assert found.to_pyarrow().to_pydict() == {
        "a": ["x", None, None, None],
        "n": [1.5, None, None, 0.0],
    }


def test_a_missing_column_is_named_with_one_like_it():
    table = ibis.memtable(pa.table({"User": [1], "item": [1]}))
    with pytest.raises(ValueError, match=r"no column user; .* \('User' instead of"):
        require_columns(table, ["user", "item"], "raw_interactions")
