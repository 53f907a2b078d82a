"""Apply the trained towers to all items, users and test queries.

The nodes return iterators, which the datasets drain in one save; a generator node would
be saved once per piece.
"""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from two_tower.pipelines.export.embeddings import embed_rows
from two_tower.pipelines.export.params import Export
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_items
from two_tower.towers.query_tower import QueryTower
from two_tower.types import KerasModel


def export_query_tower(
    two_tower_model: KerasModel, item_vocabulary: ir.Table, parameters: Export
) -> QueryTower:
    """Return the query tower as it is served: raw item ids in, vectors out.

    Args:
        two_tower_model: the trained towers.
        item_vocabulary: `item` (int32, dense ids from 2 without gaps), `item_id`.
        parameters: of the export.
    """
    longest = two_tower_model.max_length
    narrower = [width for width in parameters.buckets if width < longest]
    item_ids = item_vocabulary.order_by("item").select("item_id").to_pyarrow()
    return QueryTower(
        two_tower_model,
        item_ids["item_id"].combine_chunks(),
        [*narrower, longest],
        parameters.slots,
    )


def export_item_embeddings(
    two_tower_model: KerasModel, item_vocabulary: ir.Table, parameters: Export
) -> Iterable[pa.RecordBatch]:
    """Return `item` (int32), `item_id` and `vector` of all items.

    Args:
        two_tower_model: the trained towers.
        item_vocabulary: `item` (int32, dense ids from 2 without gaps), `item_id`.
        parameters: of the export.

    Returns:
        Batches ordered by `item`; `vector` is list<float32> of length 1.
    """
    return embed_rows(
        item_vocabulary.order_by("item").select("item", "item_id"),
        size=parameters.items_per_piece,
        embed=lambda rows: encode_items(two_tower_model, rows["item"].to_numpy()),
        keep=2,
    )


def export_user_embeddings(
    query_tower: QueryTower,
    histories: ir.Table,
    user_vocabulary: ir.Table,
    parameters: Export,
) -> Iterable[pa.RecordBatch]:
    """Return `user` (int32), `user_id` and `vector` of all users, as of today.

    Args:
        query_tower: raw item ids in, vectors out.
        histories: one row per user: `user_id`, `item_ids` (array), oldest first.
        user_vocabulary: `user` (int32), `user_id`; one without a row in `histories` is
            a user without a history.
        parameters: of the export.

    Returns:
        Batches ordered by `user`; `vector` is list<float32> of length 1.
    """
    known = user_vocabulary.select("user", "user_id")
    users = known.left_join(histories.select("user_id", "item_ids"), "user_id")
    nothing = ibis.literal([], type=histories.item_ids.type())
    users = users.mutate(item_ids=users.item_ids.fill_null(nothing))
    return embed_rows(
        users.order_by("user").select("user", "user_id", "item_ids"),
        size=parameters.users_per_piece,
        embed=lambda rows: query_tower.encode(rows["item_ids"].combine_chunks()),
        keep=2,
    )


def export_test_queries(
    query_tower: QueryTower, test_examples: ir.Table, parameters: Export
) -> Iterable[pa.RecordBatch]:
    """Return `user` (int32), `user_id` and `vector` as of just before the test items.

    Args:
        query_tower: histories in, vectors out.
        test_examples: `user` (int32), `user_id`, `items` (array<int32>, dense ids).
        parameters: of the export.

    Returns:
        Batches ordered by `user`; `vector` is list<float32> of length 1.
    """
    return embed_rows(
        test_examples.order_by("user").select("user", "user_id", "items"),
        size=parameters.users_per_piece,
        embed=lambda rows: query_tower.encode_dense(Ragged.from_arrow(rows["items"])),
        keep=2,
    )
