"""Apply the trained towers to all items, users and test queries.

The nodes return iterators, which the datasets drain in one save; Kedro would save each
chunk of a generator node by itself.
"""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from two_tower.features.registry import Features
from two_tower.lineage.records import LineageStore
from two_tower.pipelines.export.params import Chunks, QueryTowerParams
from two_tower.pipelines.export.vector_tables import embed_rows, embed_users
from two_tower.ragged import Ragged
from two_tower.sequences.expressions import or_empty
from two_tower.serving.build import (
    assemble_query_tower,
    describe_origin,
    describe_refit,
    encode_users,
    sample_users,
)
from two_tower.serving.query_tower import QueryTower
from two_tower.serving.vocabularies import Vocabularies
from two_tower.towers.events import Events
from two_tower.types import FloatArray, JsonObject, KerasModel


def export_query_tower(  # noqa: PLR0913, PLR0917 (its inputs in the catalog)
    two_tower_model: KerasModel,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    feature_vocabulary: ir.Table,
    feature_schema: JsonObject,
    histories: ir.Table,
    lineage: LineageStore,
    declared: Features,
    parameters: QueryTowerParams,
) -> QueryTower:
    """Return the query tower for serving: raw ids and values in, vectors out.

    Args:
        two_tower_model: the trained towers.
        item_vocabulary: `item` (int32, item index from 2 without gaps),
            `item_id`, `title`, `n_train`.
        user_vocabulary: `user` (int32, as `item`), `user_id`, `n_train`.
        feature_vocabulary: `entity`, `feature`, `value`, `id`, `count`.
        feature_schema: kind and size of each feature.
        histories: one row per user: `user_id`, `item_ids`, `timestamps` (array<int64>)
            and `ratings` (array<float32>), oldest first.
        lineage: records of the model and its data.
        declared: the columns of the features.
        parameters: of the query tower.
    """
    return _build_query_tower(
        two_tower_model,
        (item_vocabulary, user_vocabulary, feature_vocabulary),
        feature_schema,
        histories,
        declared,
        parameters,
        origin=describe_origin(lineage, "two_tower_model"),
    )


def export_refitted_tower(  # noqa: PLR0913, PLR0917 (its inputs in the catalog)
    refit_model: KerasModel,
    refit_item_vocabulary: ir.Table,
    refit_user_vocabulary: ir.Table,
    feature_vocabulary: ir.Table,
    feature_schema: JsonObject,
    histories: ir.Table,
    refit_history: list[JsonObject],
    lineage: LineageStore,
    declared: Features,
    parameters: QueryTowerParams,
) -> QueryTower:
    """Return the query tower of a model that was trained on all interactions.

    Its origin says so: nothing is left that could evaluate it.

    Args:
        refit_model: the trained towers.
        refit_item_vocabulary: see `export_query_tower`.
        refit_user_vocabulary: see `export_query_tower`.
        feature_vocabulary: see `export_query_tower`.
        feature_schema: see `export_query_tower`.
        histories: see `export_query_tower`.
        refit_history: one record per epoch of the refit.
        lineage: records of the model and its data.
        declared: the columns of the features.
        parameters: of the query tower.
    """
    return _build_query_tower(
        refit_model,
        (refit_item_vocabulary, refit_user_vocabulary, feature_vocabulary),
        feature_schema,
        histories,
        declared,
        parameters,
        origin=describe_refit(lineage, epochs=len(refit_history)),
    )


def _build_query_tower(  # noqa: PLR0913
    towers: KerasModel,
    tables: tuple[ir.Table, ir.Table, ir.Table],
    feature_schema: JsonObject,
    histories: ir.Table,
    declared: Features,
    parameters: QueryTowerParams,
    *,
    origin: JsonObject,
) -> QueryTower:
    """Return the query tower of towers and the vocabularies of items, users, values."""
    items, users, values = tables
    vocabularies = Vocabularies(
        items=items.order_by("item").to_pyarrow(),
        users=users.order_by("user").to_pyarrow(),
        values=values.order_by("entity", "feature", "id").to_pyarrow(),
        schema=feature_schema,
        declared=declared.within(feature_schema),
    )
    sample = sample_users(users, n=parameters.average_users, seed=parameters.seed)
    return assemble_query_tower(
        towers,
        vocabularies,
        with_histories(sample, histories).to_pyarrow(),
        bucket_boundaries=parameters.bucket_boundaries,
        tokens_per_batch=parameters.tokens_per_batch,
        origin=origin,
    )


def export_item_embeddings(
    query_tower: QueryTower, chunks: Chunks
) -> Iterable[pa.RecordBatch]:
    """Return `item` (int32), `item_id` and `vector` of all items.

    Args:
        query_tower: encodes items.
        chunks: items encoded at a time.

    Returns:
        Batches ordered by `item`; `vector` is list<float32> of length 1.
    """
    items = ibis.memtable(query_tower.vocabularies.items)
    return embed_rows(
        items.order_by("item").select("item", "item_id"),
        size=chunks.items,
        embed=lambda rows: query_tower.encode_items(rows["item"].to_numpy()),
        keep=2,
    )


def export_user_embeddings(
    query_tower: QueryTower,
    histories: ir.Table,
    user_vocabulary: ir.Table,
    chunks: Chunks,
) -> Iterable[pa.RecordBatch]:
    """Return the vectors of all users, made of their whole histories.

    Args:
        query_tower: encodes users.
        histories: one row per user: `user_id`, `item_ids`, `timestamps` (array<int64>)
            and `ratings` (array<float32>), oldest first.
        user_vocabulary: `user` (int32), `user_id`; a user without a row in `histories`
            has an empty history.
        chunks: users encoded at a time.

    Returns:
        Batches with one row per vector, ordered by `user` and `vector_index`: `user`
        (int32), `user_id`, `vector_index` (int32, from 0) and `vector` (list<float32>
        of length 1).
    """
    return embed_users(
        with_histories(user_vocabulary, histories),
        size=chunks.users,
        embed=lambda rows: encode_users(query_tower, rows),
        keep=2,
    )


def export_test_queries(
    query_tower: QueryTower, test_examples: ir.Table, chunks: Chunks
) -> Iterable[pa.RecordBatch]:
    """Return the users' vectors just before the first test item.

    Args:
        query_tower: encodes histories and users.
        test_examples: `user` (int32), `user_id`, `items` (array<int32>, item indices),
            `timestamps` (array<int64>) and `ratings` (array<float32>) of the items,
            and `target_timestamps` (array<int64>, one or more).
        chunks: users encoded at a time.

    Returns:
        The columns of `export_user_embeddings` and, after `user_id`, `asked_at`
        (int64): the request time that the towers read, null if they read none.

    Raises:
        ValueError: the query tower was refitted, on the test interactions too.
    """
    if "refit" in query_tower.origin:
        raise ValueError(
            "the deployed query tower was refitted on all interactions, test ones "
            "included, so that its metrics would be too good. Metrics are those of "
            "the model before the refit; deploy it again with: kedro run --pipelines "
            "export,indexing,evaluation,recommendation"
        )
    examples = test_examples.order_by("user").select(
        _.user,
        _.user_id,
        _.target_timestamps[0].name("asked_at"),
        _.items,
        _.timestamps,
        _.ratings,
    )
    queries = embed_users(
        examples,
        size=chunks.users,
        embed=lambda rows: _encode_examples(query_tower, rows),
        keep=3,
    )
    if query_tower.towers.request_time:
        return queries
    return map(_without_request_time, queries)


def _encode_examples(query_tower: QueryTower, examples: pa.Table) -> FloatArray:
    asked_at = examples["asked_at"]
    return query_tower.encode_indices(
        Ragged.from_arrow(examples["items"]),
        examples["user"].to_numpy(),
        events=Events.from_arrow(examples["timestamps"], examples["ratings"], asked_at),
    )


def _without_request_time(queries: pa.RecordBatch) -> pa.RecordBatch:
    """Return the queries with null in `asked_at`."""
    column = queries.schema.get_field_index("asked_at")
    nulls = pa.nulls(queries.num_rows, pa.int64())
    return queries.set_column(column, "asked_at", nulls)


def export_cold_queries(query_tower: QueryTower) -> JsonObject:
    """Return the queries of cold-start users.

    A dataset of their own lets a pipeline serve these users without the model.

    Returns:
        `average` → D numbers and, if the towers have it, `learned` → D numbers, or V
        lists of D; see `QueryTower.cold_start_query`.
    """
    queries = {"average": query_tower.cold_start_query("average").tolist()}
    if query_tower.has_learned_cold_start:
        queries["learned"] = query_tower.cold_start_query("learned").tolist()
    return queries


def with_histories(users: ir.Table, histories: ir.Table) -> ir.Table:
    """Return the users with their histories, in order of `user`.

    Returns:
        `user`, `user_id`, `item_ids`, `timestamps` and `ratings`; the lists are empty
        without a history.
    """
    lists = ("item_ids", "timestamps", "ratings")
    ids = users.select("user", "user_id")
    joined = ids.left_join(histories.select("user_id", *lists), "user_id")
    filled = joined.mutate(**{name: or_empty(joined[name]) for name in lists})
    return filled.order_by("user").select("user", "user_id", *lists)
