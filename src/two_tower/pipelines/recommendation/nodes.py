"""Recommend to all users, some of them, or one."""

import logging
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from two_tower.index.base import ItemIndices
from two_tower.index.bundle import IndexBundle
from two_tower.index.vectors import count_vectors, plain_ids, require_vector_index
from two_tower.params import RawId
from two_tower.pipelines.recommendation.params import Recommendation
from two_tower.recommend.batch import Answers, Choices, ColdStartUsers
from two_tower.recommend.ids import NAMED_IN_ERRORS, ids_of_type, rows_of_ids
from two_tower.recommend.recommender import Recommender
from two_tower.types import FloatArray, JsonObject

logger = logging.getLogger(__name__)

QUOTING: Final = (
    "; text ids that look like numbers go in quotes, or 00042 is read as 34: "
    """--params "recommendation.user_id='00042'\""""
)


def recommend_items(
    item_index: IndexBundle,
    item_vocabulary: ir.Table,
    user_embeddings: ir.Table,
    histories: ir.Table,
    cold_queries: JsonObject,
    parameters: Recommendation,
) -> Iterable[pa.RecordBatch]:
    """Return each user's best items, batch by batch.

    Args:
        item_index: of the items that can be recommended.
        item_vocabulary: `item_id`, `title` (string, may be null), `n_train`.
        user_embeddings: one row per vector of a user: `user` (int32), `user_id`,
            `vector_index` (int32, from 0), `vector` (array<float32>).
        histories: one row per user: `user_id`, `item_ids` (array).
        cold_queries: `average` and, if the towers have it, `learned` → D numbers, or
            one list of them per vector.
        parameters: of this pipeline.

    Returns:
        Batches of `user_id`, `rank` (int32, from 1), `item_id`, `title` (string, may
        be null), `score` (float32, cosine with the nearest vector; of popular items,
        the share of the training's interactions), `vector_index` (int32, the nearest
        vector; null for popular items, and for what suits the average of users of
        several vectors) and `because` (list of item ids, the nearest to this vector of
        those in the user's history that are nearer to it than to the user's others),
        ordered by user and rank, unknown users last.

    Raises:
        ValueError: if the vectors have no `vector_index`, an item that the parameters
            name is unknown, or a user whom `cold_start` refuses, or the towers have not
            learned what it asks for.
    """
    require_vector_index(user_embeddings)
    items = item_vocabulary.select("item_id", "title", "n_train").to_pyarrow()
    recommender = Recommender(item_index, items)
    wanted = parameters.wanted_users
    users, unknown = choose_users(user_embeddings, wanted)
    if unknown and parameters.cold_start == "refuse":
        raise ValueError(_refusal(user_embeddings, wanted, unknown))
    names = "users" if parameters.user_id is None else "user_id"
    kind = plain_ids(user_embeddings.limit(1).user_id.to_pyarrow()).type
    n_vectors = count_vectors(user_embeddings)
    answers = Answers(
        recommender,
        with_hidden_items(users, histories),
        n_vectors,
        ColdStartUsers(
            ids_of_type(unknown, kind, parameter=f"recommendation.{names}"),
            _cold_query(cold_queries, parameters) if unknown else None,
        ),
        Choices(
            parameters.k,
            allow=_positions(recommender, parameters, "allow_items"),
            exclude=_positions(recommender, parameters, "exclude_items"),
            drawn=parameters.drawn if parameters.order == "drawn" else None,
            quota=parameters.quota,
            filter_seen=parameters.filter_seen,
            n_because=parameters.because,
        ),
        users_per_batch=parameters.users_per_batch,
    )
    if wanted == "all":
        return answers
    logger.info(
        "recommendations will hold the users asked for alone, %d of them; "
        "a run that names nobody makes everybody's again",
        len(set(map(str, wanted))),
    )
    if len(wanted) > parameters.logged_users:
        return answers
    batches = list(answers)
    lists = "\n".join(
        format_lists(batch, recommender, n_vectors=n_vectors) for batch in batches
    )
    logger.info("recommendations:\n%s", lists)
    return batches


def choose_users(
    user_embeddings: ir.Table, wanted: Literal["all"] | tuple[RawId, ...]
) -> tuple[ir.Table, list[str]]:
    """Return the rows of the wanted users, and the ids of those who are unknown.

    Args:
        user_embeddings: one row per vector of a user: `user_id`.
        wanted: raw ids, matched by how they read: the command line makes a number of
            the id "42".

    Raises:
        ValueError: if there is no user.
    """
    if not user_embeddings.count().to_pyarrow().as_py():
        raise ValueError("user_embeddings is empty; run the export pipeline again")
    if wanted == "all":
        return user_embeddings, []
    return rows_of_ids(user_embeddings, "user_id", wanted)


def _refusal(
    user_embeddings: ir.Table,
    wanted: Literal["all"] | tuple[RawId, ...],
    unknown: list[str],
) -> str:
    """Return what to say of users who are asked for and unknown."""
    users = user_embeddings.filter(user_embeddings.vector_index == 0)
    n_users = users.count().to_pyarrow().as_py()
    some = users.order_by("user").limit(NAMED_IN_ERRORS).user_id
    is_misread = some.type().is_string() and any(
        isinstance(user, int) for user in wanted
    )
    return (
        f"{len(unknown)} of {len(set(map(str, wanted)))} users asked for are unknown: "
        f"{', '.join(unknown[:NAMED_IN_ERRORS])}; user_embeddings has {n_users} "
        f"users, for example {', '.join(map(str, some.to_pyarrow()))}"
        f"{QUOTING if is_misread else ''}; to serve unknown users, set "
        "recommendation.cold_start to learned, average or popular"
    )


def _cold_query(
    cold_queries: JsonObject, parameters: Recommendation
) -> FloatArray | None:
    """Return the `[D]` or `[V, D]` query of unknown users; None for popular items."""
    policy = parameters.cold_start
    if policy == "popular":
        return None
    if policy not in cold_queries:
        raise ValueError(
            f"recommendation.cold_start is {policy!r}, but these towers read profiles "
            "alone and were trained without training.profile.id_dropout, so that their "
            "query for nobody is not trained; choose average or popular, or train with "
            "id_dropout above 0"
        )
    return np.array(cold_queries[policy], np.float32)


def with_hidden_items(users: ir.Table, histories: ir.Table) -> ir.Table:
    """Return the users with `item_ids`, the history of each, beside the first vector.

    Args:
        users: one row per vector of a user: `user_id`, `vector_index` (int32).
        histories: one row per user: `user_id`, `item_ids` (array); one user's may be
            missing.
    """
    first = histories.select(
        "user_id", "item_ids", vector_index=ibis.literal(0, "int32")
    )
    joined = users.left_join(first, ["user_id", "vector_index"])
    return joined.drop("user_id_right", "vector_index_right")


def format_lists(
    batch: pa.RecordBatch, recommender: Recommender, *, n_vectors: int
) -> str:
    """Return the lists of a few users as lines of text.

    Args:
        batch: of `recommend_items`.
        recommender: that knows the items' titles.
        n_vectors: of each user; of one, the lines don't speak of vectors.
    """
    rows = batch.to_pylist()
    width = max(len(str(name)) for name in ("item", *(row["item_id"] for row in rows)))
    is_single = n_vectors == 1
    lines: list[str] = []
    for user, places in groupby(rows, key=itemgetter("user_id")):
        items = list(places)
        reasons = _format_reasons(items, recommender, is_single=is_single)
        lines += [f"user {user}", *reasons]
        header = "  rank   score  " if is_single else "  rank   score  vector  "
        lines.append(f"{header}{'item':<{width}}  title")
        for row in items:
            line = f"{row['rank']:6d}  {row['score']:6.3f}  "
            if not is_single:
                vector = "-" if row["vector_index"] is None else row["vector_index"]
                line += f"{vector:>6}  "
            item, title = f"{row['item_id']!s:<{width}}", row["title"] or ""
            lines.append(f"{line}{item}  {title}".rstrip())
    return "\n".join(lines)


def _format_reasons(
    items: Iterable[dict[str, Any]], recommender: Recommender, *, is_single: bool
) -> Iterable[str]:
    """Return a line for each vector of a list: what of the history it is near to."""
    because = {item["vector_index"]: item["because"] for item in items}
    for vector in sorted(vector for vector, near in because.items() if near):
        positions = recommender.require_indices(because[vector]).tolist()
        titles = recommender.titles.take(pa.array(positions)).to_pylist()
        named = zip(titles, because[vector], strict=True)
        near = ", ".join(str(title or item_id) for title, item_id in named)
        yield f"  near: {near}" if is_single else f"  vector {vector} is near {near}"


def _positions(
    recommender: Recommender,
    parameters: Recommendation,
    name: Literal["allow_items", "exclude_items"],
) -> ItemIndices | None:
    """Return the positions of the items that a parameter names; None for none."""
    item_ids = getattr(parameters, name)
    if not item_ids:
        return None
    kind = recommender.bundle.item_ids.type
    found = ids_of_type(item_ids, kind, parameter=f"recommendation.{name}")
    return recommender.require_indices(found.to_pylist())
