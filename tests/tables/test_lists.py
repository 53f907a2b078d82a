"""Lists as lists, separated text, JSON, or as Python prints them."""

import pytest

from two_tower.tables.lists import or_empty, read_list


@pytest.mark.parametrize(
    ("written", "text", "expected"),
    [
        ("separated", "x; y;;", ["x", "y"]),
        ("separated", "x", ["x"]),
        ("json", '["a", "caf\\u00e9, noir", null, " "]', ["a", "café, noir"]),
        ("json", "[1, 2.5, true]", ["1", "2.5", "true"]),
        ("json", '["[b]", "{c}"]', ["[b]", "{c}"]),
        ("json", "[]", []),
        ("python", "['a', 'b, c']", ["a", "b, c"]),
        ("python", """["it's", 'b']""", ["it's", "b"]),
        ("python", r"['a\'b', 'c\\d']", ["a'b", r"c\d"]),
        ("python", "('a',)", ["a"]),
        ("python", "[1, 2]", ["1", "2"]),
        ("python", "[nan, 3]", ["3"]),
        ("python", "[]", []),
        ("python", "['']", []),
    ],
)
def test_text_becomes_a_list(column, values, written, text, expected):
    typed = read_list(column(text, None), written, ";")
    assert values(or_empty(typed.values)) == [expected, []]
    assert values(typed.is_unfit) == [False, False]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("json", '[["a"], "b"]'),
        ("json", '[{"name": "a"}]'),
        ("json", '{"a": 1}'),
        ("json", '"a"'),
        ("json", "['a']"),
        ("json", "a;b"),
        ("python", "[['a'], ['b']]"),
        ("python", "{'a': 1}"),
        ("python", "['a', 1]"),
        ("python", r"['caf\xe9']"),
        ("python", "a;b"),
    ],
)
def test_text_of_another_form_does_not_fit(column, values, written, text):
    assert values(read_list(column(text), written, ";").is_unfit) == [True]


def test_lists_of_single_values_are_kept(column, values):
    typed = read_list(column(["x", None, " y "], [], None), "separated", ";")
    assert values(or_empty(typed.values)) == [["x", "y"], [], []]
    assert values(read_list(column([1, 2]), "separated", ";").values) == [["1", "2"]]


@pytest.mark.parametrize("nested", [[["a"]], [{"name": "a"}], [b"a"]])
def test_lists_of_lists_are_refused(column, nested):
    with pytest.raises(ValueError, match="declare flat lists"):
        read_list(column(nested), "separated", ";")


def test_a_column_that_is_no_list_is_refused(column):
    with pytest.raises(ValueError, match=r"int64, but .* declare lists"):
        read_list(column(1), "separated", ";")
