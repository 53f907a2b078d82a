"""Numbers as text in a source: unchanged, truncated or refused, never rounded.

The text is what `CSVTableDataset` reads: every column of it is a string.
"""

import ibis
import pytest

from two_tower.pipelines.ingestion.columns import as_feature, as_id, as_seconds


@pytest.fixture
def column(tmp_path):
    """Return a function that loads a column of CSV text, or of the type it is given."""

    def load(*values, of="string"):
        path = tmp_path / "it.csv"
        path.write_text("".join(f"{line}\n" for line in ("row,it", *values)))
        return ibis.duckdb.connect().read_csv(path, all_varchar=True).it.cast(of)

    return load


@pytest.fixture
def as_integer():
    """Return a function for each use of whole numbers."""
    return {
        "id": lambda column: as_id(column, "integer"),
        "feature": lambda column: as_feature(column, "integer", ";"),
    }


@pytest.mark.parametrize("use", ["id", "feature"])
def test_whole_numbers_as_text_are_kept(column, as_integer, use):
    largest = 2**63 - 1
    texts = column("1,7", "2,007", "3,-1", "4, 12 ", "5,", f"6,{largest}")
    found = as_integer[use](texts).to_pyarrow().to_pylist()
    assert found == [7, 7, -1, 12, None, largest]


@pytest.mark.parametrize("use", ["id", "feature"])
@pytest.mark.parametrize("text", ["1.5", "1.0", "1e3", "0x1f", "1_000", "seven", "-"])
def test_text_that_is_no_whole_number_is_refused(column, as_integer, use, text):
    integers = as_integer[use](column("1,7", f"2,{text}"))
    with pytest.raises(Exception, match=f"'it is not a whole number: {text}'"):
        integers.to_pyarrow()


@pytest.mark.parametrize(
    ("written", "texts", "seconds"),
    [
        ("seconds", ["1,978300760.9", "2,978300760", "3,9.5e8"], 978300760),
        ("milliseconds", ["1,978300760999.9", "2,978300760000", "3,9.5e11"], 978300760),
    ],
)
@pytest.mark.parametrize("of", ["string", "float64", "decimal(18, 1)"])
def test_fractions_of_a_time_are_cut_off(column, written, texts, seconds, of):
    found = as_seconds(column(*texts, of=of), written).to_pyarrow().to_pylist()
    assert found == [seconds, seconds, 950_000_000]


def test_a_time_that_is_no_number_is_refused(column):
    with pytest.raises(Exception, match="yesterday"):
        as_seconds(column("1,yesterday"), "seconds").to_pyarrow()
