"""A value that does not fit names the parameter that would read it."""

import pytest

from two_tower.tables import hints


@pytest.mark.parametrize(
    ("value", "declared", "proposed"),
    [
        ("1600914131", "milliseconds", "seconds"),
        ("1600914131000", "seconds", "milliseconds"),
        ("1600914131000000", "seconds", "microseconds"),
        ("1600914131000000000", "milliseconds", "nanoseconds"),
        ("1600914131.5", "datetime", "seconds"),
        ("44098.729", "seconds", "excel"),
        ("20200924", "seconds", '{format: "%Y%m%d"}'),
        ("20200924173000", "seconds", '{format: "%Y%m%d%H%M%S"}'),
        ("24.09.2020", "datetime", '{format: "%d.%m.%Y"}'),
        ("24/09/2020 17:30", "seconds", '{format: "%d/%m/%Y %H:%M"}'),
        (
            "03/04/2020",
            "seconds",
            '{format: "%d/%m/%Y"} or {format: "%m/%d/%Y"}',
        ),
        ("2020-09-24 17:30:00", "seconds", "datetime"),
    ],
)
def test_a_time_names_the_unit_that_fits(value, declared, proposed):
    expected = f"it would fit ingestion.timestamps: {proposed}"
    assert hints.on_time(value, declared) == expected


def test_a_time_that_fits_nothing_names_the_key():
    assert hints.on_time("yesterday", "seconds") == "ingestion.timestamps is seconds"
    assert "'NA' to ingestion.missing" in hints.on_time("NA", "seconds")


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("4,5", 'ingestion.decimal: ","'),
        ("4.5", 'ingestion.decimal: "."'),
        ("True", "write 1 and 0"),
        ("$4.50", "type price"),
        ("?", "'?' to ingestion.missing"),
        ("many", ""),
    ],
)
def test_a_number_names_the_key_that_reads_it(value, advice):
    assert advice in hints.on_number(value)


@pytest.mark.parametrize(
    ("hint", "value", "advice"),
    [
        (hints.on_id, "abc", "declare text in ingestion.ids"),
        (hints.on_id, "1e16", "not exact"),
        (hints.on_id, "NULL", "'NULL' to ingestion.missing"),
        (hints.on_whole_number, "12.5", ""),
        (hints.on_price, "None", "'None' to ingestion.missing"),
        (hints.on_price, "2 for 5", "one number"),
        (hints.on_list, "[['a']]", "lists of lists are not read"),
        (hints.on_list, "a|b", "separated"),
    ],
)
def test_other_values_name_what_would_read_them(hint, value, advice):
    assert advice in hint(value)
    assert bool(advice) == bool(hint(value))
