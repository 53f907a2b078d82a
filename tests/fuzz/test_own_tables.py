"""A sample of faulty tables; `python -m tests.fuzz.own_tables` tries more."""

from random import Random

import pytest

from tests.fuzz.own_tables import outcome_of
from tests.fuzz.table_mutants import COLUMNS, mutate, sound_tables


def test_sound_tables_are_ingested_without_a_warning():
    assert outcome_of(sound_tables()) == ("ok", "")


@pytest.mark.parametrize("seed", range(100_000, 100_012))
def test_faulty_tables_are_read_exactly_warned_of_or_refused(seed):
    tables = mutate(Random(seed))  # noqa: S311 - reproducible, not secret
    outcome, said = outcome_of(tables)
    assert outcome in {"ok", "warned", "refused"}, f"{tables.made}: {said}"


@pytest.mark.parametrize(
    ("column", "kind", "said"),
    [
        (2, "short exponent", "no row of raw_interactions can be used"),
        (2, "milliseconds", "timestamps: milliseconds"),
        (3, "a decimal comma", 'ingestion.decimal: ","'),
        (0, "spaces around", "no interaction has a user of raw_users"),
        (1, "zeros before", "no interaction has an item of raw_items"),
        (1, "placeholders", "add it to ingestion.missing"),
    ],
)
def test_a_column_that_is_wrong_throughout_is_named(column, kind, said):

    tables = sound_tables()
    for i, row in enumerate(tables.rows["interactions"][1:]):
        row[column] = COLUMNS[kind](row[column], i)
    outcome, message = outcome_of(tables)
    assert outcome in {"warned", "refused"}
    assert said in message
