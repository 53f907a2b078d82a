"""Kinds whose vocabulary entries are read from the column alone."""

import pyarrow as pa
import pytest

from tests.features.tables import declare, encoded, entities, lists, meaning, numbered

CATEGORY = declare(kind="categorical")
VALUE_SET = declare(kind="value_set")
GENRES = [
    ["Action", "Drama", "War"],
    ["Drama", "War", "Drama"],
    ["Drama", "Comedy"],
    [],
    None,
    ["Drama", None, ""],
]


def ids(items, feature):
    return encoded(items, feature)[2]


def test_values_are_numbered_from_two_in_their_order():
    items = entities(["b", "a", "b", None])
    vocabulary, _, found = encoded(items, CATEGORY)
    assert vocabulary == [("a", 2, 1), ("b", 3, 2)]
    assert found == [3, 2, 3, 0]


def test_only_values_of_the_training_get_an_id():
    items = entities(["a", "b", "b", "c"], n_train=[1, 3, 0, 0])
    vocabulary, _, found = encoded(items, CATEGORY)
    assert vocabulary == [("a", 2, 1), ("b", 3, 1)]
    assert found == [2, 3, 3, 1]


def test_rare_values_are_out_of_vocabulary():
    items = entities(["a", "b", "a"])
    assert ids(items, declare(kind="categorical", min_count=2)) == [2, 1, 2]


def test_a_prefix_joins_values_of_the_same_beginning():
    items = entities(["55455", "55117", "55", "02139"])
    assert numbered(items, declare(kind="categorical", prefix=3)) == [
        ("021", 2, 1),
        ("55", 3, 1),
        ("551", 4, 1),
        ("554", 5, 1),
    ]


def test_numbers_can_be_categories():
    assert ids(entities([1995, 1977, None, 1995], dtype=pa.int32()), CATEGORY) == [
        3,
        2,
        0,
        3,
    ]


def test_a_list_gives_ascending_ids_each_once():
    items = entities([["War", "Drama", "War"], [], None, [None, "Noir"]])
    assert ids(items, declare(kind="multi_valued")) == [[2, 4], [], [], [3]]


def test_several_values_out_of_vocabulary_are_one_id():
    items = entities([["War"], ["X", "War", "Y"]], n_train=[1, 0])
    assert ids(items, declare(kind="multi_valued")) == [[2], [1, 2]]


def test_words_are_lower_case_runs_of_letters_and_digits_without_the_year():
    items = entities(["Amélie: L'été 42 (2001)", "L'ÉTÉ", "(500) Days", None, "!"])
    vocabulary, _, found = encoded(items, declare(kind="words"))
    words = [value for value, *_ in vocabulary]
    assert words == ["42", "500", "amélie", "days", "l", "été"]
    assert found == [[2, 4, 6, 7], [6, 7], [3, 5], [], []]


def test_a_value_set_is_the_values_in_order_joined():
    items = lists([*GENRES, ["War", "Action", "Drama"]])
    vocabulary, schema, found = encoded(items, VALUE_SET)
    assert vocabulary == [
        ("Action|Drama|War", 2, 2),
        ("Comedy|Drama", 3, 1),
        ("Drama", 4, 1),
        ("Drama|War", 5, 1),
    ]
    assert found == [2, 5, 3, 0, 0, 4, 2]
    assert schema == meaning("value_set") | {"size": 6}


def test_values_with_the_separator_make_sets_of_their_own():
    items = lists([["a|b"], ["a", "b"], ["a%7Cb"], ["a|", "b"], ["a", "|b"]])
    vocabulary, _, found = encoded(items, VALUE_SET)
    assert len(vocabulary) == len(set(found)) == 5
    assert {value for value, *_ in vocabulary} >= {"a|b", "a%7Cb", "a%257Cb"}


def test_a_set_that_the_training_lacks_is_out_of_vocabulary():
    items = lists([["a", "b"], ["a"], ["b"]], n_train=[1, 1, 0])
    assert ids(items, VALUE_SET) == [3, 2, 1]


@pytest.mark.parametrize("kind", ["rarest", "value_set"])
def test_numbers_in_a_list_are_values_as_text(kind):
    items = lists([[10, 9], [10]], dtype=pa.list_(pa.int64()))
    other = {"rarest": "9", "value_set": "10|9"}[kind]
    assert numbered(items, declare(kind=kind)) == [("10", 2, 1), (other, 3, 1)]


@pytest.mark.parametrize("kind", ["rarest", "value_set"])
def test_lists_without_any_value_are_missing(kind):
    vocabulary, schema, found = encoded(lists([[], None]), declare(kind=kind))
    assert (vocabulary, schema["size"], found) == ([], 2, [0, 0])


# covers: L28
@pytest.mark.parametrize(("kind", "new"), [("rarest", 3), ("value_set", 4)])
def test_values_in_the_deployed_vocabulary_keep_their_ids(kind, new):
    feature, first = declare(kind=kind), [["m", "n"], ["n"]]
    deployed, schema, before = encoded(lists(first), feature)
    items = lists([*first, ["a", "n"], ["z"]])
    grown, _, found = encoded(items, feature, deployed, schema)
    assert [row[:2] for row in grown[:2]] == [row[:2] for row in deployed]
    # "a" is new, and so behind "n"; the set of both is new too.
    assert found[:3] == [*before, new]
    assert max(found) == found[3]
