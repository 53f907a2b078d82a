import math

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from two_tower.pipelines.ingestion.checks import (
    interactions_are_sound,
    items_are_sound,
    users_are_sound,
)

INTERACTIONS = pa.schema(
    {
        "event_id": pa.int64(),
        "user_id": pa.string(),
        "item_id": pa.int64(),
        "timestamp": pa.int64(),
        "rating": pa.float32(),
    }
)
ITEMS = pa.schema({"item_id": pa.int64(), "title": pa.string()})
USERS = pa.schema({"user_id": pa.string()})


def table(tmp_path, schema, columns):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns, schema), path)
    return ibis.read_parquet(path)


@pytest.fixture
def interactions(tmp_path):
    def make(schema=INTERACTIONS, **changed):
        columns = {
            "event_id": [0, 1, 2],
            "user_id": ["a", "b", "a"],
            "item_id": [7, 7, 8],
            "timestamp": [0, 5, 4_102_444_800],
            "rating": [None, 0.0, -3.5],
        }
        return table(tmp_path, schema, columns | changed)

    return make


def test_sound_interactions_pass(interactions):
    interactions_are_sound(interactions())
    interactions_are_sound(interactions(timestamp=[None] * 3))  # data without times


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("event_id", [0, 1, 1], r"event_id must be unique, but \[1\] are repeated"),
        ("event_id", [0, 1, None], "1 without event_id"),
        ("user_id", ["a", None, None], "2 without user_id, the first with event_id 1"),
        ("item_id", [None, 7, 7], "1 without item_id, the first with event_id 0"),
        ("timestamp", [0, None, 0], "1 without timestamp, the first with event_id 1"),
        ("timestamp", [0, 0, -1], "1 before 1970, the first with event_id 2"),
        ("timestamp", [0, 0, 4_102_444_801], "1 after 2100 .* event_id 2"),
        (
            "timestamp",
            [978_300_760_000] * 3,
            r"milliseconds\? see ingestion.timestamps",
        ),
        ("rating", [1.0, math.nan, math.inf], "2 with a rating that is not finite"),
    ],
)
def test_faulty_interactions_are_counted_and_refused(
    interactions, column, values, message
):
    with pytest.raises(ValueError, match=message):
        interactions_are_sound(interactions(**{column: values}))


def test_a_table_without_interactions_is_refused(interactions):
    with pytest.raises(ValueError, match="there are no interactions"):
        interactions_are_sound(
            interactions(**{name: [] for name in INTERACTIONS.names})
        )


@pytest.mark.parametrize("name", INTERACTIONS.names)
def test_a_column_of_another_type_is_refused(interactions, name):
    index = INTERACTIONS.get_field_index(name)
    schema = INTERACTIONS.set(index, pa.field(name, pa.int16()))
    with pytest.raises(ValueError, match=f"interactions.{name} is int16, but later"):
        interactions_are_sound(interactions(schema, **{name: [1, 2, 3]}))


def test_a_missing_column_is_refused(interactions):
    with pytest.raises(ValueError, match=r"interactions\.rating is missing"):
        interactions_are_sound(interactions().drop("rating"))


def test_sound_and_absent_items_and_users_pass(tmp_path):
    items_are_sound(table(tmp_path, ITEMS, {"item_id": [1, 2], "title": ["A", None]}))
    items_are_sound(table(tmp_path, ITEMS, {"item_id": [], "title": []}))
    users_are_sound(table(tmp_path, USERS, {"user_id": ["007", "7"]}))
    users_are_sound(table(tmp_path, USERS, {"user_id": []}))


@pytest.mark.parametrize(
    ("ids", "message"),
    [([1, 2, 1, 2], r"unique, but \[1, 2\] are"), ([1, None], "1 without item_id")],
)
def test_items_without_a_unique_id_are_refused(tmp_path, ids, message):
    items = table(tmp_path, ITEMS, {"item_id": ids, "title": ["A"] * len(ids)})
    with pytest.raises(ValueError, match=message):
        items_are_sound(items)


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["a", "a"], r"unique, but \['a'\] are"), (["a", None], "1 without user_id")],
)
def test_users_without_a_unique_id_are_refused(tmp_path, ids, message):
    with pytest.raises(ValueError, match=message):
        users_are_sound(table(tmp_path, USERS, {"user_id": ids}))
