import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DatasetError

from two_tower.datasets.csv_table import CSVTableDataset


@pytest.fixture
def load(tmp_path):
    def load(text, **options):
        path = tmp_path / "a.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return CSVTableDataset(filepath=str(path), **options).load()

    return load


def rows(table):
    return [tuple(row.values()) for row in table.to_pyarrow().to_pylist()]


def test_every_value_is_unchanged_text(load):
    table = load("id,n,day,x\n007,1,2024-01-01,true\n#8,1.50,never, \n")
    assert [str(kind) for kind in table.schema().values()] == ["string"] * 4
    assert rows(table) == [
        ("007", "1", "2024-01-01", "true"),
        ("#8", "1.50", "never", " "),
    ]


def test_a_blank_value_is_null(load):
    assert rows(load('a,b,c\n,"",NULL\n')) == [(None, None, "NULL")]


def test_quoted_values_may_hold_separators_quotes_and_line_ends(load):
    assert rows(load('a,b\n"x, ""y""","1\n2"\n')) == [('x, "y"', "1\n2")]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a;b\n1;é\n", {"separator": ";"}),
        ("a\tb\r\n1\té\r\n", {"separator": "\t"}),
        ("\ufeffa,b\n1,é\n", {}),
        ("a,b\n1,é\n".encode("latin-1"), {"encoding": "latin-1"}),
        ("a,b\n1,é", {}),
    ],
)
def test_files_are_read_with_the_separator_and_encoding_of_the_catalog(
    load, text, options
):
    table = load(text, **options)
    assert table.columns == ("a", "b")
    assert rows(table) == [("1", "é")]


@pytest.mark.parametrize("n_before", [0, 1, 50_000])
@pytest.mark.parametrize("line", ["x", "x,y,z", '"x,y'])
def test_a_line_with_a_wrong_number_of_values_is_named(load, n_before, line):
    # DuckDB's reader would skip the rows before, or fail without naming a line.
    text = "a,b\n" + "1,2\n" * n_before + f"{line}\n"
    message = rf"a\.csv can't be read: .*Row #{n_before + 2}: Expected 2 columns"
    with pytest.raises(DatasetError, match=message):
        load(text)


def test_bytes_of_another_encoding_are_refused(load):
    with pytest.raises(DatasetError, match=r"a\.csv can't be read: .*invalid UTF8"):
        load("a,b\n1,é\n".encode("latin-1"))


@pytest.mark.parametrize("header", ["", "\n", "a,a\n", "a,,b\n"])
def test_a_header_with_missing_or_repeated_names_is_refused(load, header):
    with pytest.raises(DatasetError, match="give each column a name of its own"):
        load(f"{header}1,2,3\n" if header else "")


def test_a_header_alone_is_a_table_without_rows(load):
    assert rows(load("a,b\n")) == []


def test_rows_keep_their_order_and_line_ends_across_blocks(load):
    values = [f"{i}\n{i}" for i in range(150_000)]  # 2 MB: two blocks of pyarrow
    table = load("a\n" + "".join(f'"{value}"\n' for value in values))
    assert table.to_pyarrow()["a"].to_pylist() == values


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"))] * 2)
    )
)
def test_any_text_is_read_unchanged(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    quoted = [
        '"' + '","'.join(v.replace('"', '""') for v in row) + '"' for row in values
    ]
    path.write_bytes("\n".join(['"a","b"', *quoted, ""]).encode())
    expected = [tuple(value or None for value in row) for row in values]
    assert rows(CSVTableDataset(filepath=str(path)).load()) == expected


def test_a_missing_file_is_refused(tmp_path):
    dataset = CSVTableDataset(filepath=str(tmp_path / "a.csv"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"a\.csv is missing; put the file there"):
        dataset.load()


def test_a_preview_holds_the_first_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,4\n5,\n")
    assert CSVTableDataset(filepath=str(path)).preview(nrows=2) == {
        "index": [0, 1],
        "columns": ["a", "b"],
        "data": [["1", "2"], ["3", "4"]],
    }


def test_files_are_read_only(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    dataset = CSVTableDataset(filepath=str(path))
    with pytest.raises(DatasetError, match="read-only"):
        dataset.save(dataset.load())
    assert path.read_text() == "a,b\n1,2\n"
