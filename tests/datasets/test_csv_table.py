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
@pytest.mark.parametrize(("line", "n_values"), [("x", 1), ("x,y,z", 3), ('"x,y', 1)])
def test_a_line_with_a_wrong_number_of_values_is_named(load, n_before, line, n_values):
    # DuckDB's reader would skip the rows before, or fail without naming a line.
    text = "a,b\n" + "1,2\n" * n_before + f"{line}\n"
    message = rf"a\.csv can't be read: line {n_before + 2:,} has {n_values} values"
    with pytest.raises(DatasetError, match=message):
        load(text)


def test_bytes_of_another_encoding_are_refused(load):
    with pytest.raises(
        DatasetError, match=r"a\.csv can't be read: line 3 is not utf-8"
    ):
        load("a,b\n1,e\n1,é\n".encode("latin-1"))


@pytest.mark.parametrize("header", ["", "\n", "a,a\n", ",,\n"])
def test_a_header_with_missing_or_repeated_names_is_refused(load, header):
    with pytest.raises(DatasetError, match="give each column a name of its own"):
        load(header)


def test_a_blank_name_is_the_position_of_its_column(load):
    # pandas writes its index under no name; exports end each line in a separator.
    table = load(",a,\n0,7,\n1,8,\n")
    assert table.columns == ("unnamed_1", "a", "unnamed_3")
    assert rows(table) == [("0", "7", None), ("1", "8", None)]


@pytest.mark.parametrize("first", ["1,24,M", "2014-04-07,5,6", "196\t242"])
def test_values_in_the_first_line_are_refused_as_a_header(load, first):
    separator = "\t" if "\t" in first else ","
    with pytest.raises(DatasetError, match="values and no names; set columns"):
        load(f"{first}\n{first}\n", separator=separator)


def test_a_header_may_count_the_columns_as_pandas_does(load):
    assert load("0,1\nx,y\n").columns == ("0", "1")


def test_a_file_without_a_header_has_the_columns_of_the_catalog(load):
    table = load("1,x\n2,y\n", columns=["id", "name"])
    assert table.columns == ("id", "name")
    assert rows(table) == [("1", "x"), ("2", "y")]
    with pytest.raises(DatasetError, match=r"line 1 has 2 values, but there are 1 col"):
        load("1,x\n", columns=["id"])


def test_a_header_is_refused_where_the_catalog_names_the_columns(load):
    with pytest.raises(DatasetError, match="remove columns there"):
        load("id,name\n1,x\n", columns=["id", "name"])


@pytest.mark.parametrize("columns", [[], ["a", "a"], ["a", ""]])
def test_columns_of_the_catalog_are_names_of_their_own(columns):
    with pytest.raises(DatasetError, match="give each column a name of its own"):
        CSVTableDataset(filepath="a.csv", columns=columns)


def test_a_separator_may_have_several_characters(load):
    text = "a::b::c\n1::x:y::3\n::::\n" + '"p::q":::::z\n'
    assert rows(load(text, separator="::")) == [
        ("1", "x:y", "3"),
        (None, None, None),
        ("p::q", None, ":z"),
    ]


def test_a_separator_may_lie_across_the_blocks_of_a_file(load):
    n_rows = 40_000  # 3 MB, so that blocks of 1 MiB end at any offset of a row
    lines = [f"{i}::{'x' * (i % 7)}:{i}" + "y" * 60 for i in range(n_rows)]
    table = load("a::b\n" + "\n".join(lines), separator="::")
    expected = [tuple(line.split("::")) for line in lines]
    assert rows(table) == expected


def test_a_file_with_the_stand_in_of_a_separator_is_refused(load):
    with pytest.raises(DatasetError, match=r"holds the character '\\x1f'"):
        load("a::b\n1\x1f::2\n", separator="::")


def test_the_message_of_a_line_shows_the_separator_of_the_file(load):
    with pytest.raises(DatasetError, match=r"line 3 has 3 values.*'1::2::3'"):
        load("a::b\n1::2\n1::2::3\n", separator="::")


@pytest.mark.parametrize(
    "separator", ["", "\n", '"', ' "', r"\t"], ids=["none", "line", "q", "quote", "tab"]
)
def test_a_separator_that_separates_nothing_is_refused(separator):
    with pytest.raises(DatasetError, match="separator is"):
        CSVTableDataset(filepath="a.csv", separator=separator)


def test_quotes_are_characters_without_quoting(load):
    text = 'a\tb\n1\t"Weird" title\n2\t"never closed\n3\t12" disc\n'
    assert rows(load(text, separator="\t", quoting=False)) == [
        ("1", '"Weird" title'),
        ("2", '"never closed'),
        ("3", '12" disc'),
    ]


def test_a_backslash_may_escape_a_quote(load):
    text = 'a;b\n"1";"The \\"real\\" one; or not"\n'
    assert rows(load(text, separator=";", escape="\\")) == [
        ("1", 'The "real" one; or not')
    ]


def test_rows_that_a_stray_quote_merges_are_warned_of(load, caplog):
    text = 'a\tb\n1\t"x\n2\ty"\n3\tz\n'
    assert len(rows(load(text, separator="\t"))) == 2
    assert "a value of b looks like several rows" in caplog.text
    caplog.clear()
    load('a\tb\n1\t"two\nlines"\n', separator="\t")
    assert "WARNING" not in caplog.text


def test_a_quote_that_is_not_closed_is_named(load):
    with pytest.raises(DatasetError, match="a quote is opened and not closed"):
        load('a,b\n"x,1\n' + "1,2\n" * 600_000)


def test_json_lines_are_refused_with_their_type(load):
    with pytest.raises(DatasetError, match="JSONLinesDataset"):
        load('{"a": 1, "b": 2}\n')


def test_lines_are_counted_past_values_of_several_lines(load):
    with pytest.raises(DatasetError, match="line 5 has 1 values"):
        load('a,b\n"1\n\n2",3\nx\n')


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
