import ibis
import pyarrow as pa
import pytest

from tests.features.tables import declare, encoded, entities, lists, meaning
from tests.sequences.tables import rows
from two_tower.features.encoding import describe_features, encode_features
from two_tower.features.vocabulary import feature_vocabulary

CATEGORY = declare(kind="categorical")


def test_the_schema_gives_the_rows_of_an_embedding_table():
    _, schema, _ = encoded(entities(["a", "b", None]), CATEGORY)
    assert schema == meaning("categorical") | {"size": 4}
    _, schema, _ = encoded(entities([None], dtype=pa.string()), CATEGORY)
    assert schema["size"] == 2


# covers: L28
@pytest.mark.parametrize(
    ("option", "value"), [("kind", "words"), ("column", "g"), ("prefix", 3)]
)
def test_a_feature_of_another_meaning_than_the_deployed_one_is_refused(option, value):
    deployed = meaning("categorical") | {"size": 3, option: value}
    message = rf"features\.item differ.*'f': {{'{option}': {value!r}}}"
    with pytest.raises(ValueError, match=message):
        encoded(entities(["a"]), CATEGORY, schema=deployed)


# covers: L28
def test_another_kind_than_the_deployed_one_is_refused():
    genres = lists([["Drama", "War"], ["Drama"]])
    _, schema, _ = encoded(genres, declare(kind="rarest"))
    with pytest.raises(ValueError, match=r"'f': {'kind': 'rarest'}"):
        encoded(genres, declare(kind="value_set"), schema=schema)


def test_opt_in_is_in_the_schema_and_may_change_later():
    genres = lists([["Drama", "War"], ["Drama"]])
    _, schema, _ = encoded(genres, declare(kind="value_set", opt_in=True))
    assert schema["opt_in"] is True
    # Ids don't depend on it.
    encoded(genres, declare(kind="value_set"), schema=schema)


def test_encoded_columns_have_the_types_that_towers_read():
    kinds = {"c": "categorical", "m": "multi_valued", "w": "words", "d": "dense"}
    items = entities(["a"]).mutate(
        c="f", m=ibis.array(["x"]), w="f", d=ibis.literal(1.5)
    )
    features = {name: declare(kind=kind) for name, kind in kinds.items()}
    table = feature_vocabulary(items, "item", features)
    schema = describe_features(items, "item", table, features)
    columns = encode_features(items, "item", table, features, schema)
    assert columns.schema() == ibis.schema(
        {
            "item": "int32",
            "c": "int32",
            "m": "array<int32>",
            "w": "array<int32>",
            "d": "float32",
        }
    )


@pytest.mark.parametrize("name", ["index", "value", "encoded"])
def test_a_feature_may_have_any_free_name(name):
    items = entities(["b", "a"]).rename({name: "f"}).mutate(other=ibis.literal(1.5))
    features = {name: CATEGORY, "other": declare(kind="dense")}
    table = feature_vocabulary(items, "item", features)
    schema = describe_features(items, "item", table, features)
    columns = encode_features(items, "item", table, features, schema)
    assert rows(columns, "item", name) == [(2, 3), (3, 2)]


def test_without_features_the_indices_are_left():
    items = entities(["a", "b"])
    table = feature_vocabulary(items, "item", {})
    assert rows(encode_features(items, "item", table, {}, {})) == [(2,), (3,)]
