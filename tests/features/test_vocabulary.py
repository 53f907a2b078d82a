import ibis
import numpy as np
import pyarrow as pa
import pytest

from tests.sequences.tables import rows
from two_tower.features.encoding import describe_features, encode_features
from two_tower.features.params import DeclaredFeature
from two_tower.features.vocabulary import feature_vocabulary, with_columns


def meaning(kind, column="f"):
    """Return what a schema says of a feature, but for its size."""
    return {"kind": kind, "column": column, "prefix": None}


def known(values, n_train=None, dtype=None):
    """Return items 2, 3, … with the values of a feature `f`; all known to training."""
    n = len(values)
    return ibis.memtable(
        pa.table(
            {
                "item": pa.array(range(2, n + 2), pa.int32()),
                "n_train": pa.array(n_train or [1] * n, pa.int64()),
                "f": pa.array(values, dtype),
            }
        )
    )


def numbered(values, deployed_values=None, **feature):
    features = {"f": DeclaredFeature(**feature)}
    table = feature_vocabulary(values, "item", features, deployed_values)
    return table.order_by("id"), features


def vocabulary(values, **feature):
    return rows(numbered(values, **feature)[0], "value", "id", "count")


def encoded(values, **feature):
    table, features = numbered(values, **feature)
    schema = describe_features(values, "item", table, features)
    codes = encode_features(values, "item", table, features, schema)
    return [value for (value,) in rows(codes, "f")]


def test_values_are_numbered_from_two_in_their_order():
    values = known(["b", "a", "b", None])
    assert vocabulary(values, kind="categorical") == [("a", 2, 1), ("b", 3, 2)]
    assert encoded(values, kind="categorical") == [3, 2, 3, 0]


def test_only_what_training_knows_gets_an_id():
    values = known(["a", "b", "b", "c"], n_train=[1, 3, 0, 0])
    assert vocabulary(values, kind="categorical") == [("a", 2, 1), ("b", 3, 1)]
    assert encoded(values, kind="categorical") == [2, 3, 3, 1]


def test_rare_values_are_out_of_vocabulary():
    values = known(["a", "b", "a"])
    assert encoded(values, kind="categorical", min_count=2) == [2, 1, 2]


def test_a_prefix_joins_values_of_the_same_beginning():
    values = known(["55455", "55117", "55", "02139"])
    assert vocabulary(values, kind="categorical", prefix=3) == [
        ("021", 2, 1),
        ("55", 3, 1),
        ("551", 4, 1),
        ("554", 5, 1),
    ]


def test_numbers_can_be_categories():
    values = known([1995, 1977, None, 1995], dtype=pa.int32())
    assert encoded(values, kind="categorical") == [3, 2, 0, 3]


def test_many_values_give_ascending_ids_each_once():
    values = known([["War", "Drama", "War"], [], None, [None, "Noir"]])
    assert encoded(values, kind="multi_valued") == [[2, 4], [], [], [3]]


def test_several_unknown_values_of_one_item_are_one_unknown():
    values = known([["War"], ["X", "War", "Y"]], n_train=[1, 0])
    assert encoded(values, kind="multi_valued") == [[2], [1, 2]]


def test_words_are_lower_case_runs_of_letters_and_digits_without_the_year():
    values = known(["Amélie: L'été 42 (2001)", "L'ÉTÉ", "(500) Days", None, "!"])
    assert [value for value, *_ in vocabulary(values, kind="words")] == [
        "42",
        "500",
        "amélie",
        "days",
        "l",
        "été",
    ]
    assert encoded(values, kind="words") == [[2, 4, 6, 7], [6, 7], [3, 5], [], []]


def test_dense_values_are_standardised_by_what_training_knows():
    values = known([1.0, 3.0, None, 9.0, float("nan")], n_train=[1, 1, 1, 0, 1])
    table, features = numbered(values, kind="dense")
    assert rows(table) == []
    schema = describe_features(values, "item", table, features)
    assert schema == {"f": meaning("dense") | {"mean": 2.0, "std": 1.0}}
    assert encoded(values, kind="dense") == [-1.0, 1.0, 0.0, 7.0, 0.0]


@pytest.mark.parametrize("values", [[5.0, 5.0], [None, None], []])
def test_a_dense_column_without_spread_is_zero(values):
    found = encoded(known(values, dtype=pa.float64()), kind="dense")
    assert found == [0.0] * len(values)


def test_the_schema_gives_the_rows_an_embedding_table_needs():
    values = known(["a", "b", None])
    table, features = numbered(values, kind="categorical")
    assert describe_features(values, "item", table, features) == {
        "f": meaning("categorical") | {"size": 4}
    }
    nothing, features = numbered(known([None], dtype=pa.string()), kind="categorical")
    assert describe_features(values, "item", nothing, features)["f"]["size"] == 2


# covers: L28
def test_known_values_keep_their_ids_and_new_ones_come_behind():
    first, features = numbered(known(["m", "c", "m"]), kind="categorical")
    values = known(["a", "m", "b", "a"])
    grown, _ = numbered(values, first, kind="categorical", min_count=2)
    assert rows(grown, "value", "id", "count") == [
        ("c", 2, 0),
        ("m", 3, 1),
        ("a", 4, 2),
    ]
    schema = describe_features(values, "item", grown, features)
    codes = encode_features(values, "item", grown, features, schema)
    assert rows(codes, "f") == [(4,), (3,), (1,), (4,)]
    assert schema == {"f": meaning("categorical") | {"size": 5}}


def test_values_grow_from_those_of_their_own_entity_and_feature():
    first, _ = numbered(known(["z"]), kind="categorical")
    of_feature = first.mutate(feature=ibis.literal("g"))
    others = of_feature.union(first.mutate(entity=ibis.literal("user")))
    grown, _ = numbered(known(["a"]), others, kind="categorical")
    assert rows(grown, "value", "id") == [("a", 2)]


def test_dense_features_keep_the_scale_they_were_trained_with():
    values = known([10.0, 30.0])
    table, features = numbered(values, kind="dense")
    scale = {"f": meaning("dense") | {"mean": 2.0, "std": 4.0}}
    schema = describe_features(values, "item", table, features, scale)
    assert schema == scale
    codes = encode_features(values, "item", table, features, schema)
    assert rows(codes, "f") == [(2.0,), (7.0,)]


# covers: L28
@pytest.mark.parametrize(
    ("option", "value"), [("kind", "words"), ("column", "g"), ("prefix", 3)]
)
def test_a_feature_of_another_meaning_than_the_known_is_refused(option, value):
    values = known(["a"])
    table, features = numbered(values, kind="categorical")
    other = {"f": meaning("categorical") | {"size": 3, option: value}}
    message = rf"features\.item differ.*'f': {{'{option}': {value!r}}}"
    with pytest.raises(ValueError, match=message):
        describe_features(values, "item", table, features, other)


def test_codes_have_the_types_models_read():
    kinds = {"c": "categorical", "m": "multi_valued", "w": "words", "d": "dense"}
    values = known(["a"]).mutate(c="f", m=ibis.array(["x"]), w="f", d=ibis.literal(1.5))
    features = {name: DeclaredFeature(kind=kind) for name, kind in kinds.items()}
    table = feature_vocabulary(values, "item", features)
    schema = describe_features(values, "item", table, features)
    codes = encode_features(values, "item", table, features, schema)
    assert codes.schema() == ibis.schema(
        {
            "item": "int32",
            "c": "int32",
            "m": "array<int32>",
            "w": "array<int32>",
            "d": "float32",
        }
    )


def test_no_feature_at_all_leaves_the_ids():
    values = known(["a", "b"])
    table = feature_vocabulary(values, "item", {})
    assert rows(table) == []
    assert rows(encode_features(values, "item", table, {}, {})) == [(2,), (3,)]


VOCABULARY = ibis.memtable({"item": [2, 3], "item_id": ["a", "b"], "n_train": [1, 1]})
ITEMS = ibis.memtable({"item_id": ["b", "z"], "year": [1, 2], "n": [[1], [2]]})


def test_columns_come_by_id_and_are_null_where_the_table_lacks_the_item():
    columns = {"when": DeclaredFeature(kind="categorical", column="year")}
    table = with_columns(VOCABULARY, "item", ITEMS, columns)
    assert rows(table.order_by("item"), "item", "when") == [(2, None), (3, 1)]


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            {"kind": "categorical", "column": "genre"},
            r"sequencing\.features\.item\.f needs the column 'genre', but the items "
            r"have only \['item_id', 'n', 'year'\]",
        ),
        ({"kind": "multi_valued", "column": "year"}, "needs a list, .* is int64"),
        ({"kind": "words", "column": "year"}, "needs a text"),
        ({"kind": "dense", "column": "item_id"}, "needs a number"),
        ({"kind": "categorical", "column": "n"}, "needs a single value"),
    ],
)
def test_a_column_that_does_not_fit_is_one_clear_error(feature, message):
    with pytest.raises(ValueError, match=message):
        with_columns(VOCABULARY, "item", ITEMS, {"f": DeclaredFeature(**feature)})


def test_standardised_columns_have_mean_zero_and_deviation_one():
    values = np.random.default_rng(0).normal(50, 9, 200).tolist()
    found = np.array(encoded(known(values), kind="dense"), np.float64)
    np.testing.assert_allclose([found.mean(), found.std()], [0, 1], atol=1e-5)
