import pytest
from kedro.io import DatasetError

from two_tower.datasets import item_lists
from two_tower.datasets.item_lists import ItemListsDataset


@pytest.fixture
def load(tmp_path):
    def load(text, **options):
        path = tmp_path / "a.txt"
        path.write_text(text)
        options = {"columns": ["user", "item"], **options}
        return ItemListsDataset(filepath=str(path), **options).load()

    return load


def rows(table):
    return [tuple(row.values()) for row in table.to_pyarrow().to_pylist()]


def test_a_line_becomes_a_row_per_item(load, monkeypatch):
    monkeypatch.setattr(item_lists, "_ROWS_PER_BATCH", 2)
    table = load("1 30 10 20 \n\n2\n3\t10\n")
    assert table.columns == ("user", "item")
    assert rows(table) == [("1", "30"), ("1", "10"), ("1", "20"), ("3", "10")]


def test_ids_may_hold_blanks_between_separators(load):
    assert rows(load("Ann B,a b, c\n", separator=",")) == [
        ("Ann B", "a b"),
        ("Ann B", "c"),
    ]


def test_a_blank_id_is_named(load):
    with pytest.raises(DatasetError, match="line 2 has a blank id"):
        load("1,2\n1,,3\n", separator=",")


@pytest.mark.parametrize("columns", [["user"], ["a", "a"], ["a", "b", "c"]])
def test_two_columns_are_named(columns):
    with pytest.raises(DatasetError, match="name the user and the item"):
        ItemListsDataset(filepath="a.txt", columns=columns)
