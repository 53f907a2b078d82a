import gzip
import json

import pytest
from kedro.io import DatasetError

from two_tower.datasets import json_lines
from two_tower.datasets.json_lines import JSONLinesDataset


@pytest.fixture
def load(tmp_path):
    def load(text, **options):
        path = tmp_path / "a.jsonl"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return JSONLinesDataset(filepath=str(path), **options).load()

    return load


def rows(table):
    return table.to_pyarrow().to_pylist()


def test_plain_values_become_texts(load):
    lines = [
        {"id": "007", "n": 12345678901234567890, "x": 4.0, "b": True, "t": "é"},
        {"id": 7, "n": None, "b": False, "t": ""},
    ]
    table = load("\n".join(json.dumps(line) for line in lines))
    assert [str(kind) for kind in table.schema().values()] == ["string"] * 5
    assert rows(table) == [
        {"id": "007", "n": "12345678901234567890", "x": "4.0", "b": "true", "t": "é"},
        {"id": "7", "n": None, "x": None, "b": "false", "t": None},
    ]


def test_lists_become_lists_and_objects_their_text(load):
    lines = [
        {"tags": [], "paths": [["a", "b"], ["a", "c"]], "rank": {"Books": 3}},
        {"tags": ["x", 2, None, ""], "paths": None, "rank": None},
        {"tags": "one", "paths": [], "rank": [{"k": 1}]},
    ]
    table = load("\n".join(json.dumps(line) for line in lines))
    assert rows(table) == [
        {"tags": [], "paths": ["a", "b", "c"], "rank": '{"Books": 3}'},
        {"tags": ["x", "2"], "paths": None, "rank": None},
        {"tags": ["one"], "paths": [], "rank": '[{"k": 1}]'},
    ]


def test_declared_columns_alone_are_read(load):
    line = {"user": {"id": 5, "age": 9}, "a.b": 1, "tags": ["x"], "other": [{}]}
    columns = {"user.id": "text", "a.b": "text", "tags": "text", "none.x": "text"}
    assert rows(load(json.dumps(line), columns=columns)) == [
        {"user.id": "5", "a.b": "1", "tags": '["x"]', "none.x": None}
    ]


def test_compressed_lines_and_blank_lines_are_read(load):
    assert rows(load(gzip.compress(b'{"a": 1}\r\n\n{"a": 2}\n'))) == [
        {"a": "1"},
        {"a": "2"},
    ]


def test_lines_that_python_prints_are_read_by_declaration(load):
    text = "{'a': 'it\\'s', 'b': None, 'c': [['x']]}\n"
    assert rows(load(text, syntax="python")) == [{"a": "it's", "b": None, "c": ["x"]}]
    with pytest.raises(DatasetError, match="set syntax: python"):
        load(text)


def test_not_a_number_is_null(load):
    assert rows(load('{"a": NaN, "b": 1}\n')) == [{"a": None, "b": "1"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}, {"a": 2}]', "is one JSON array; write one object per line"),
        ('{\n  "a": 1\n}', "holds objects of several lines"),
        ('{"a": 1}\n{"a": 2', "line 2 is not a JSON object"),
        ('{"a": 1}\n3\n', "line 2 is not a JSON object"),
        ("a,b\n1,2\n", "line 1 is not a JSON object"),
        ('{"a": ' + "[" * 100_000, "line 1 is not a JSON object"),
        ("", "has no lines"),
    ],
)
def test_other_texts_are_refused_with_their_line(load, text, message):
    with pytest.raises(DatasetError, match=message) as error:
        load(text)
    assert len(str(error.value)) < 500


def test_values_of_another_type_name_line_and_column(load, monkeypatch):
    with pytest.raises(DatasetError, match="tags in line 2 is an object"):
        load('{"tags": ["x"]}\n{"tags": {"y": 1}}\n')
    monkeypatch.setattr(json_lines, "ROWS_OF_TYPES", 1)
    with pytest.raises(DatasetError, match="tags in line 2 is a list, but a text in"):
        load('{"tags": "x"}\n{"tags": ["x", "y"]}\n')


@pytest.mark.parametrize("columns", [{}, {"a": "number"}, ["a", "b"]])
def test_columns_are_names_with_types(columns):
    with pytest.raises(DatasetError, match="give each key its type, text or list"):
        JSONLinesDataset(filepath="a.jsonl", columns=columns)


def test_columns_of_several_files_are_those_of_all(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"a": 1, "b": "x"}\n')
    (tmp_path / "2.jsonl").write_text('{"b": ["y"], "c": 2}\n')
    assert rows(JSONLinesDataset(filepath=str(tmp_path / "*.jsonl")).load()) == [
        {"a": "1", "b": ["x"], "c": None},
        {"a": None, "b": ["y"], "c": "2"},
    ]


def test_batches_keep_the_order_of_lines(load, monkeypatch):
    monkeypatch.setattr(json_lines, "_ROWS_PER_BATCH", 3)
    table = load("".join(f'{{"a": {i}}}\n' for i in range(8)))
    assert [row["a"] for row in rows(table)] == [str(i) for i in range(8)]


def test_a_preview_holds_the_first_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1, "b": ["x", "y"]}\n{"a": 2}\n')
    assert JSONLinesDataset(filepath=str(path)).preview(nrows=1) == {
        "index": [0],
        "columns": ["a", "b"],
        "data": [["1", "x, y"]],
    }
