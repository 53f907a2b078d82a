"""Pieces of a given size, whatever sizes an engine hands rows over in."""

import numpy as np
import pyarrow as pa
import pytest

from two_tower.pipelines.export.embeddings import embed_rows

SCHEMA = pa.schema({"user": pa.int32(), "items": pa.list_(pa.int32())})


class Handed:
    """Stands for an ibis table whose engine hands over batches of these sizes."""

    def __init__(self, *sizes):
        self.sizes = sizes

    def schema(self):
        return self

    def to_pyarrow(self):
        return SCHEMA

    def to_pyarrow_batches(self, *, chunk_size):
        first = 0
        for size in self.sizes:
            users = range(first, first + size)
            rows = [{"user": user, "items": [user] * (user % 3)} for user in users]
            yield pa.RecordBatch.from_pylist(rows, SCHEMA)
            first += size


def embed(rows):
    """Return the user, and how many items it has, as a vector."""
    lengths = [len(items) for items in rows["items"].to_pylist()]
    return np.float32([rows["user"].to_pylist(), lengths]).T.reshape(-1, 2)


@pytest.mark.parametrize("sizes", [(10,), (4, 4, 2), (1, 7, 2), (5, 5), (3, 0, 7)])
def test_pieces_have_their_size_whatever_the_engine_hands_over(sizes):
    pieces = list(embed_rows(Handed(*sizes), size=4, embed=embed, keep=1))
    assert [piece.num_rows for piece in pieces] == [4, 4, 2]
    table = pa.Table.from_batches(pieces)
    assert table.column_names == ["user", "vector"]
    assert table["user"].to_pylist() == list(range(10))
    assert table["vector"].to_pylist() == [[user, user % 3] for user in range(10)]


@pytest.mark.parametrize("sizes", [(), (0,)])
def test_no_row_gives_one_empty_piece_with_all_columns(sizes):
    (piece,) = embed_rows(Handed(*sizes), size=4, embed=embed, keep=1)
    assert piece.num_rows == 0
    assert piece.schema.field("vector").type == pa.list_(pa.float32())
