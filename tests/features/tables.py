"""Small tables with one feature `f`: its vocabulary, schema and encoding."""

import ibis
import pyarrow as pa

from tests.sequences.tables import rows
from two_tower.features.encoding import describe_features, encode_features
from two_tower.features.registry import Features
from two_tower.features.vocabulary import feature_vocabulary

VOCABULARY = ["entity", "feature", "value", "id", "count"]


def declare(**options):
    """Return the feature that the parameters declare with these options."""
    return Features(item={"f": options}, user=None).of("item")["f"]


def entities(values, n_train=None, dtype=None):
    """Return items 2, 3, … with the values of a feature `f`; all in the training."""
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


def lists(values, n_train=None, dtype=None):
    """Return items 2, 3, … with lists as their feature `f`."""
    return entities(values, n_train, dtype or pa.list_(pa.string()))


def numbered(items, feature, deployed_values=None):
    """Return the rows of the vocabulary of `f`: value, id and count, by id."""
    table = feature_vocabulary(items, "item", {"f": feature}, deployed_values)
    return rows(table.order_by("id"), "value", "id", "count")


def encoded(items, feature, vocabulary=None, schema=None):
    """Return vocabulary, schema and encoded values of `f`.

    Args:
        items: as from `entities`.
        feature: as from `declare`.
        vocabulary: rows of `numbered` to grow from.
        schema: the schema of `f` to grow from.
    """
    deployed = vocabulary and as_table(vocabulary)
    schemas = schema and {"f": schema}
    features = {"f": feature}
    table = feature_vocabulary(items, "item", features, deployed, schemas)
    own = describe_features(items, "item", table, features, schemas)
    columns = encode_features(items, "item", table, features, own)
    vocabulary = rows(table.order_by("id"), "value", "id", "count")
    return vocabulary, own["f"], [value for (value,) in rows(columns, "f")]


def as_table(vocabulary):
    """Return the vocabulary of `f` as a table, from rows of `numbered`."""
    table = ibis.memtable(
        [("item", "f", *row) for row in vocabulary], columns=VOCABULARY
    )
    return table.cast({"id": "int32"})


def meaning(kind, column="f"):
    """Return what the schema of every kind of feature holds."""
    return {"kind": kind, "column": column, "prefix": None}
