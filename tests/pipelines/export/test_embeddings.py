"""Vectors behind the rows they were made from, piece by piece."""

import ibis
import numpy as np
import pyarrow as pa
import pytest

from two_tower.pipelines.export.embeddings import embed_rows

SCHEMA = pa.schema({"user": pa.int32(), "items": pa.list_(pa.int32())})


def users(n):
    rows = [{"user": user, "items": [user] * (user % 3)} for user in range(n)]
    return ibis.memtable(pa.Table.from_pylist(rows, SCHEMA)).order_by("user")


def embed(rows):
    """Return the user, and how many items it has, as a vector."""
    lengths = [len(items) for items in rows["items"].to_pylist()]
    return np.float32([rows["user"].to_pylist(), lengths]).T.reshape(-1, 2)


def test_vectors_stand_behind_their_rows():
    pieces = list(embed_rows(users(10), size=4, embed=embed, keep=1))
    assert [piece.num_rows for piece in pieces] == [4, 4, 2]
    table = pa.Table.from_batches(pieces)
    assert table.column_names == ["user", "vector"]
    assert table["user"].to_pylist() == list(range(10))
    assert table["vector"].to_pylist() == [[user, user % 3] for user in range(10)]


@pytest.mark.parametrize("keep", [1, 2])
def test_no_row_gives_one_empty_piece_with_all_columns(keep):
    (piece,) = embed_rows(users(0), size=4, embed=embed, keep=keep)
    assert piece.num_rows == 0
    assert piece.schema.names == [*SCHEMA.names[:keep], "vector"]
    assert piece.schema.field("vector").type == pa.list_(pa.float32())
