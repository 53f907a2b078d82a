"""Recommend items to all users, or to listed ones."""

import logging
from collections.abc import Iterable
from typing import Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from two_tower.index.base import ItemIndices
from two_tower.index.bundle import IndexBundle
from two_tower.index.vectors import count_vectors, plain_ids, require_vector_index
from two_tower.params import RawId, Seen
from two_tower.pipelines.recommendation.params import Recommendation
from two_tower.recommend.batch import (
    BatchRecommender,
    ColdStartUsers,
    RecommendationOptions,
)
from two_tower.recommend.explanations import format_lists
from two_tower.recommend.ids import NAMED_IN_ERRORS, ids_of_type, rows_of_ids
from two_tower.recommend.recommender import UNLEARNED_COLD_START, Recommender
from two_tower.recommend.seen_filter import ItemFilter, collect_seen
from two_tower.types import FloatArray, JsonObject

logger = logging.getLogger(__name__)

QUOTING: Final = (
    "; text ids that look like numbers go in quotes, or 00042 is read as 34: "
    """--params "recommendation.user_id='00042'\""""
)


def recommend_items(  # noqa: PLR0913, PLR0917 (its inputs in the catalog)
    item_index: IndexBundle,
    item_vocabulary: ir.Table,
    user_embeddings: ir.Table,
    histories: ir.Table,
    interactions: ir.Table,
    cold_queries: JsonObject,
    seen: Seen,
    parameters: Recommendation,
) -> Iterable[pa.RecordBatch]:
    """Return each user's recommendations, batch by batch.

    Args:
        item_index: of the items that can be recommended.
        item_vocabulary: `item_id`, `title` (string, may be null), `n_train`.
        user_embeddings: one row per vector of a user: `user` (int32), `user_id`,
            `vector_index` (int32, from 0), `vector` (array<float32>).
        histories: one row per user: `user_id`, `item_ids` (array).
        interactions: `user_id`, `item_id`; a user has seen all their items, whether or
            not the selection kept them.
        cold_queries: cold-start queries, `average` and, if the towers have it,
            `learned` → D numbers, or one list of them per vector.
        seen: whether evaluation ranks items that a user has seen.
        parameters: of this pipeline.

    Returns:
        Batches of `user_id`, `rank` (int32, from 1), `item_id`, `title` (string, may
        be null), `score` (float32, cosine with the nearest vector; of popular items,
        the share of the training interactions), `vector_index` (int32, the nearest
        vector; null for popular items, and for the average query where users have
        several vectors), `similar_history_items` (list of item ids, the history items
        nearest to this item, nearest first) and `similar_history_titles` (list of
        string), ordered by user and rank, cold-start users last.

    Raises:
        ValueError: if the vectors have no `vector_index`, `allow_items` and
            `exclude_items` leave no item, or a listed user has no embedding and
            `cold_start` is refuse, or a query that the towers have not learned.
    """
    require_vector_index(user_embeddings)
    items = item_vocabulary.select("item_id", "title", "n_train").to_pyarrow()
    recommender = Recommender(item_index, items)
    listed = parameters.listed_users
    users, missing = choose_users(user_embeddings, listed)
    if missing and parameters.cold_start == "refuse":
        raise ValueError(_refusal(user_embeddings, listed, missing))
    n_vectors = count_vectors(user_embeddings)
    batches = BatchRecommender(
        recommender,
        with_histories(users, histories, interactions),
        n_vectors,
        _cold_start_users(
            missing, user_embeddings, interactions, cold_queries, parameters
        ),
        _options(recommender, seen, parameters),
        users_per_batch=parameters.users_per_batch,
    )
    if listed == "all":
        return batches
    logger.info(
        "recommendations will hold the %d listed users alone; a run without "
        "recommendation.user_id and users serves all users again",
        len(set(map(str, listed))),
    )
    if len(listed) > parameters.logged_users:
        return batches
    few = list(batches)
    lists = (format_lists(batch, n_vectors=n_vectors) for batch in few)
    logger.info("recommendations:\n%s", "\n".join(lists))
    return few


def choose_users(
    user_embeddings: ir.Table, listed: Literal["all"] | tuple[RawId, ...]
) -> tuple[ir.Table, list[str]]:
    """Return the rows of the listed users, and the ids without an embedding.

    Args:
        user_embeddings: one row per vector of a user: `user_id`.
        listed: raw ids, matched as text: the command line makes a number of the id
            "42".

    Raises:
        ValueError: if `user_embeddings` is empty.
    """
    if not user_embeddings.count().to_pyarrow().as_py():
        raise ValueError("user_embeddings is empty; run: kedro run --pipelines export")
    if listed == "all":
        return user_embeddings, []
    return rows_of_ids(user_embeddings, "user_id", listed)


def with_histories(
    users: ir.Table, histories: ir.Table, interactions: ir.Table
) -> ir.Table:
    """Return the users with their items beside the first vector.

    Args:
        users: one row per vector of a user: `user_id`, `vector_index` (int32).
        histories: one row per user with a history: `user_id`, `item_ids` (array).
        interactions: `user_id`, `item_id`.

    Returns:
        The columns of `users`, `item_ids` (the history) and `seen_ids` (the items of
        all interactions); null beside the other vectors, and without such items.
    """
    for table in (histories.select("user_id", "item_ids"), collect_seen(interactions)):
        first = table.mutate(vector_index=ibis.literal(0, "int32"))
        joined = users.left_join(first, ["user_id", "vector_index"])
        users = joined.drop("user_id_right", "vector_index_right")
    return users


def _refusal(
    user_embeddings: ir.Table,
    listed: Literal["all"] | tuple[RawId, ...],
    missing: list[str],
) -> str:
    """Return the error message about listed users without an embedding."""
    users = user_embeddings.filter(user_embeddings.vector_index == 0)
    n_users = users.count().to_pyarrow().as_py()
    examples = users.order_by("user").limit(NAMED_IN_ERRORS).user_id
    is_misread = examples.type().is_string() and any(
        isinstance(user, int) for user in listed
    )
    return (
        f"{len(missing)} of {len(set(map(str, listed)))} listed users are not among "
        f"the {n_users} of user_embeddings: {', '.join(missing[:NAMED_IN_ERRORS])}; "
        f"it has, for example, {', '.join(map(str, examples.to_pyarrow()))}"
        f"{QUOTING if is_misread else ''}; to serve cold-start users, set "
        "recommendation.cold_start to learned, average or popular"
    )


def _cold_start_users(
    user_ids: list[str],
    user_embeddings: ir.Table,
    interactions: ir.Table,
    cold_queries: JsonObject,
    parameters: Recommendation,
) -> ColdStartUsers:
    """Return the listed users without an embedding, and the query of `cold_start`.

    They have no history, but may have seen items that the selection dropped.
    """
    name = "users" if parameters.user_id is None else "user_id"
    kind = plain_ids(user_embeddings.limit(1).user_id.to_pyarrow()).type
    ids = ids_of_type(user_ids, kind, parameter=f"recommendation.{name}")
    if not user_ids:
        return ColdStartUsers(ids, pa.array([], pa.list_(pa.null())), None)
    rows, _ = rows_of_ids(interactions, "user_id", user_ids)
    found = collect_seen(rows).to_pyarrow()
    seen = dict(
        zip(*(found[name].to_pylist() for name in found.column_names), strict=True)
    )
    item_lists = [seen.get(user, []) for user in ids.to_pylist()]
    return ColdStartUsers(
        ids,
        pa.array(item_lists, found.schema.field("seen_ids").type),
        _cold_start_query(cold_queries, parameters),
    )


def _cold_start_query(
    cold_queries: JsonObject, parameters: Recommendation
) -> FloatArray | None:
    """Return the `[D]` or `[V, D]` query of `cold_start`; None for popular items."""
    policy = parameters.cold_start
    if policy == "popular":
        return None
    if policy not in cold_queries:
        raise ValueError(
            f"recommendation.cold_start is {policy!r}, but {UNLEARNED_COLD_START}"
        )
    return np.array(cold_queries[policy], np.float32)


def _options(
    recommender: Recommender, seen: Seen, parameters: Recommendation
) -> RecommendationOptions:
    n_items = recommender.bundle.n_items
    if parameters.k > n_items:
        logger.info(
            "recommendation.k is %d: cut to the %d items of the index",
            parameters.k,
            n_items,
        )
    allow, exclude = _item_masks(recommender, parameters)
    filter_seen = parameters.filter_seen
    return RecommendationOptions(
        min(parameters.k, n_items),
        allow=allow,
        exclude=exclude,
        order=parameters.order.chosen,
        quota=parameters.quota,
        filter_seen=seen.root == "left_out" if filter_seen is None else filter_seen,
        n_similar=parameters.similar_history_items,
    )


def _item_masks(
    recommender: Recommender, parameters: Recommendation
) -> tuple[ItemIndices | None, ItemIndices | None]:
    """Return the indices of the allowed and the excluded items; None without a list.

    Raises:
        ValueError: if the two lists leave no item.
    """
    allow = _item_indices(recommender, parameters, "allow_items")
    exclude = _item_indices(recommender, parameters, "exclude_items")
    n_items = recommender.bundle.n_items
    if ItemFilter.of(n_items, allow=allow, exclude=exclude).n_allowed == 0:
        raise ValueError(
            "recommendation.allow_items and exclude_items leave none of the index's "
            f"{n_items} items ({_examples(recommender)}), so all lists would be empty; "
            "correct the two lists"
        )
    return allow, exclude


def _item_indices(
    recommender: Recommender,
    parameters: Recommendation,
    name: Literal["allow_items", "exclude_items"],
) -> ItemIndices | None:
    """Return the indices of the items that a parameter lists; None without a list."""
    item_ids = getattr(parameters, name)
    if not item_ids:
        return None
    found, missing = recommender.find_texts(item_ids)
    if missing:
        logger.info(
            "%d of %d items of recommendation.%s are not in the index: %s; it has %s",
            len(missing),
            len(missing) + len(found),
            name,
            ", ".join(missing[:NAMED_IN_ERRORS]),
            _examples(recommender),
        )
    return found


def _examples(recommender: Recommender) -> str:
    """Return ids of the index as an example."""
    some = recommender.bundle.item_ids.slice(0, NAMED_IN_ERRORS)
    return f"for example {', '.join(map(str, some.to_pylist()))}"
