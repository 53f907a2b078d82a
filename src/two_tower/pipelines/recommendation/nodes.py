"""Recommend to all users, some of them, or one."""

import logging
from collections.abc import Iterable
from typing import Final, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from two_tower.pipelines.recommendation.answers import Answers
from two_tower.pipelines.recommendation.params import RawId, Recommendation
from two_tower.retrieval.bundle import IndexBundle
from two_tower.retrieval.embeddings import plain_ids
from two_tower.retrieval.index import Positions
from two_tower.retrieval.recommender import Recommender

logger = logging.getLogger(__name__)

NAMED_IN_ERRORS: Final = 5

QUOTING: Final = (
    "; text ids that look like numbers go in quotes, or 00042 is read as 34: "
    """--params "recommendation.user_id='00042'\""""
)


def recommend_items(
    item_index: IndexBundle,
    item_vocabulary: ir.Table,
    user_embeddings: ir.Table,
    histories: ir.Table,
    parameters: Recommendation,
) -> Iterable[pa.RecordBatch]:
    """Return each user's best items, batch by batch.

    Args:
        item_index: of the items that can be recommended.
        item_vocabulary: `item_id` and `title` (string, may be null).
        user_embeddings: one row per user: `user` (int32, unique), `user_id`, `vector`
            (array<float32>).
        histories: one row per user: `user_id`, `item_ids` (array).
        parameters: of this pipeline.

    Returns:
        Batches of `user_id`, `rank` (int32, from 1), `item_id`, `title` (string, may
        be null) and `score` (float32, cosine), ordered by user and rank.

    Raises:
        ValueError: if a user or item that the parameters name is unknown.
    """
    vocabulary = item_vocabulary.select("item_id", "title").to_pyarrow()
    recommender = Recommender(
        item_index, plain_ids(vocabulary.column("item_id")), vocabulary.column("title")
    )
    wanted = parameters.wanted_users
    users = choose_users(user_embeddings, wanted)
    answers = Answers(
        recommender,
        with_hidden_items(users, histories, hide_seen=parameters.hide_seen),
        parameters.k,
        allow=_positions(recommender, parameters.allow_items),
        exclude=_positions(recommender, parameters.exclude_items),
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
    logger.info("recommendations:\n%s", "\n".join(map(format_lists, batches)))
    return batches


def choose_users(
    user_embeddings: ir.Table, wanted: Literal["all"] | tuple[RawId, ...]
) -> ir.Table:
    """Return the rows of the wanted users.

    Args:
        user_embeddings: one row per user: `user` (int32, unique), `user_id`.
        wanted: raw ids, matched by how they read: the command line makes a number of
            the id "42".

    Raises:
        ValueError: if there is no user, or a wanted one is unknown.
    """
    n_users = user_embeddings.count().to_pyarrow().as_py()
    if not n_users:
        raise ValueError("user_embeddings is empty; run the export pipeline again")
    if wanted == "all":
        return user_embeddings
    texts = list(dict.fromkeys(str(user) for user in wanted))
    chosen = user_embeddings.filter(_.user_id.cast("string").isin(texts))
    found = set(chosen.user_id.cast("string").to_pyarrow().to_pylist())
    if unknown := [text for text in texts if text not in found]:
        some = user_embeddings.order_by("user").limit(NAMED_IN_ERRORS).user_id
        is_misread = chosen.user_id.type().is_string() and any(
            isinstance(user, int) for user in wanted
        )
        raise ValueError(
            f"{len(unknown)} of {len(texts)} users asked for are unknown: "
            f"{', '.join(unknown[:NAMED_IN_ERRORS])}; user_embeddings has {n_users} "
            f"users, for example {', '.join(map(str, some.to_pyarrow()))}"
            f"{QUOTING if is_misread else ''}"
        )
    return chosen


def with_hidden_items(
    users: ir.Table, histories: ir.Table, *, hide_seen: bool
) -> ir.Table:
    """Return the users with `item_ids`, the items to hide from each.

    Args:
        users: one row per user: `user_id`.
        histories: one row per user: `user_id`, `item_ids` (array); one user's may be
            missing.
        hide_seen: hide the history; otherwise nothing.
    """
    if not hide_seen:
        return users.mutate(item_ids=ibis.null(histories.item_ids.type()))
    seen = histories.select("user_id", "item_ids")
    return users.left_join(seen, "user_id").drop("user_id_right")


def format_lists(batch: pa.RecordBatch) -> str:
    """Return the lists of a few users as lines of text.

    Args:
        batch: of `recommend_items`.
    """
    rows = batch.to_pylist()
    width = max(len(str(name)) for name in ("item", *(row["item_id"] for row in rows)))
    lines: list[str] = []
    for row in rows:
        if row["rank"] == 1:
            lines.append(f"user {row['user_id']}")
            lines.append(f"  rank   score  {'item':<{width}}  title")
        item, title = f"{row['item_id']!s:<{width}}", row["title"] or ""
        lines.append(f"{row['rank']:6d}  {row['score']:6.3f}  {item}  {title}".rstrip())
    return "\n".join(lines)


def _positions(
    recommender: Recommender, item_ids: tuple[RawId, ...] | None
) -> Positions | None:
    """Return positions for ids that are matched by how they read; None for none."""
    if not item_ids:
        return None
    if pa.types.is_string(recommender.bundle.item_ids.type):
        return recommender.positions_of([str(item) for item in item_ids])
    return recommender.positions_of(
        [int(item) if str(item).isdecimal() else item for item in item_ids]
    )
