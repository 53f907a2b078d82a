"""Which columns declared features need."""

import ibis
import pytest

from tests.features.tables import declare
from two_tower.features.columns import find_column_faults, readable_features

COLUMNS = {
    name: ibis.dtype(of)
    for name, of in {
        "item_id": "int64",
        "year": "int64",
        "tags": "array<string>",
    }.items()
}


def faults_of(**features):
    return find_column_faults(
        "item", {name: declare(**one) for name, one in features.items()}, COLUMNS
    )


def test_columns_that_fit_have_no_fault():
    decade = {"kind": "categorical", "column": "year"}
    assert faults_of(decade=decade, tags={"kind": "multi_valued"}) is None


def test_all_faults_are_named_at_once_with_the_columns_there_are():
    found = faults_of(
        colour={"kind": "categorical"},
        size={"kind": "dense", "column": "width"},
        tags={"kind": "dense"},
        year={"kind": "categorical"},
    )
    assert found is not None
    for part in (
        "item.colour needs the column 'colour'; ",
        "item.size needs the column 'width'; ",
        "item.tags is 'dense' and needs a number, but its column 'tags' is array<str",
        "The items have item_id, tags, year: ",
        "ingestion.features.items",
    ):
        assert part in found
    assert "item.year" not in found


@pytest.mark.parametrize(
    ("opt_in", "kept"), [(True, ["year"]), (False, ["era", "year"])]
)
def test_an_opt_in_feature_needs_no_column(opt_in, kept):
    features = {
        "era": declare(kind="categorical", opt_in=opt_in),
        "year": declare(kind="categorical", opt_in=True),
    }
    assert sorted(readable_features(features, COLUMNS)) == kept
