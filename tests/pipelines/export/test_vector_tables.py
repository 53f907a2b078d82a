"""Vectors beside their rows, chunk by chunk."""

import logging

import ibis
import numpy as np
import pyarrow as pa
import pytest

from two_tower.pipelines.export.vector_tables import embed_rows, embed_users

SCHEMA = pa.schema({"user": pa.int32(), "items": pa.list_(pa.int32())})


def users(n):
    rows = [{"user": user, "items": [user] * (user % 3)} for user in range(n)]
    return ibis.memtable(pa.Table.from_pylist(rows, SCHEMA)).order_by("user")


def embed(rows):
    """Return the user, and how many items it has, as a vector."""
    lengths = [len(items) for items in rows["items"].to_pylist()]
    return np.float32([rows["user"].to_pylist(), lengths]).T.reshape(-1, 2)


def test_vectors_are_beside_their_rows():
    chunks = list(embed_rows(users(10), size=4, embed=embed, keep=1))
    assert [chunk.num_rows for chunk in chunks] == [4, 4, 2]
    table = pa.Table.from_batches(chunks)
    assert table.column_names == ["user", "vector"]
    assert table["user"].to_pylist() == list(range(10))
    assert table["vector"].to_pylist() == [[user, user % 3] for user in range(10)]


@pytest.mark.parametrize("keep", [1, 2])
def test_no_row_gives_one_empty_chunk_with_all_columns(keep):
    (chunk,) = embed_rows(users(0), size=4, embed=embed, keep=keep)
    assert chunk.num_rows == 0
    assert chunk.schema.names == [*SCHEMA.names[:keep], "vector"]
    assert chunk.schema.field("vector").type == pa.list_(pa.float32())


def embed_twice(rows):
    vectors = embed(rows)
    return np.stack([vectors, -vectors], axis=1)


# covers: A52
def test_the_vectors_of_a_user_are_numbered_rows():
    chunks = list(embed_users(users(5), size=2, embed=embed_twice, keep=1))
    assert [chunk.num_rows for chunk in chunks] == [4, 4, 2]
    table = pa.Table.from_batches(chunks)
    assert table.column_names == ["user", "vector_index", "vector"]
    assert table["user"].to_pylist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert table["vector_index"].to_pylist() == [0, 1] * 5
    vectors = [
        [sign * user, sign * (user % 3)] for user in range(5) for sign in (1, -1)
    ]
    assert table["vector"].to_pylist() == vectors


@pytest.mark.parametrize("n_vectors", [1, 2])
def test_no_user_gives_one_empty_chunk_with_all_columns(n_vectors):
    nothing = np.zeros((0, n_vectors, 2), np.float32)
    (chunk,) = embed_users(users(0), size=4, embed=lambda _: nothing, keep=1)
    types = {field.name: field.type for field in chunk.schema}
    assert types == {
        "user": pa.int32(),
        "vector_index": pa.int32(),
        "vector": pa.list_(pa.float32()),
    }


# covers: A52
def test_each_chunk_is_computed_when_consumed_and_logged(caplog):
    caplog.set_level(logging.INFO)
    sizes = []

    def noted(rows):
        sizes.append(rows.num_rows)
        return embed(rows)

    chunks = embed_rows(users(10), size=4, embed=noted, keep=1)
    next(chunks)
    assert sizes == [4]
    list(chunks)
    logged = [record.getMessage() for record in caplog.records]
    assert logged == [f"embedded {n} of 10 users" for n in (4, 8, 10)]


def test_the_log_counts_the_vectors_of_each_user(caplog):
    caplog.set_level(logging.INFO)
    list(embed_users(users(1500), size=1200, embed=embed_twice, keep=1))
    assert [record.getMessage() for record in caplog.records] == [
        f"embedded {n} of 1,500 users, 2 vectors each" for n in ("1,200", "1,500")
    ]
