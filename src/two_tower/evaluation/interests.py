"""What the vectors of some users stand for: near items of the past, items to come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from two_tower.evaluation.cases import TestCases
from two_tower.evaluation.markdown import plain, table
from two_tower.metrics.ranks import ranks_by
from two_tower.metrics.scorers import dot_scorer
from two_tower.retrieval.because import nearest_in_history
from two_tower.retrieval.embeddings import UserVectors
from two_tower.retrieval.index import NOTHING, Found, Positions
from two_tower.retrieval.ranking import in_order
from two_tower.types import FloatArray, Int64Array, JsonObject


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items by position.

    Attributes:
        item_ids: `[N]` int64 or string.
        titles: `[N]` string, null where there is none.
        vectors: `[N, D]` float32, L2-normalised.
    """

    item_ids: pa.Array
    titles: pa.Array
    vectors: FloatArray

    def name(self, position: int, score: float) -> JsonObject:
        """Return the `item_id`, `title` and `score` of one item."""
        return {
            "item_id": self.item_ids[position].as_py(),
            "title": self.titles[position].as_py(),
            "score": score,
        }

    def name_all(self, found: Found) -> list[JsonObject]:
        """Return the same of each item of a `[K]` list, empty places left out."""
        places = zip(found.positions.tolist(), found.scores.tolist(), strict=True)
        return [self.name(*place) for place in places if place[0] != NOTHING]


@dataclass(frozen=True)
class Lengths:
    """How much is told of each user.

    Attributes:
        history: items of the history, per vector.
        recommended: unseen items, per vector; and held-out items.
        headline: the k of the list that the vectors share among them.
    """

    history: int
    recommended: int
    headline: int


def read_titles(item_vocabulary: ir.Table) -> pa.Array:
    """Return the title of each item, null where there is none, in order of dense ids.

    Args:
        item_vocabulary: `item` (int32, from 2 without gaps) and `title` (string).
    """
    titles = item_vocabulary.order_by("item").title.to_pyarrow()
    return titles.combine_chunks() if isinstance(titles, pa.ChunkedArray) else titles


def describe_users(
    users: UserVectors, cases: TestCases, catalogue: Catalogue, lengths: Lengths
) -> list[JsonObject]:
    """Return what the vectors of each user are near to; `docs/metrics.md` explains it.

    Args:
        users: B users.
        cases: the queries of the same users.
        catalogue: all items.
        lengths: of the lists.

    Returns:
        Per user `user_id`, `n_seen`, `n_held_out`; `held_out`, the best-ranked of the
        positives with their `rank` from 1; and `interests`: of each vector, the
        greatest share first, its `vector_index`, the `share` of the best unseen items
        that are nearest to it, and of the items that are nearer to it than to the
        others, the nearest of the `history` and, `recommended`, of those unseen.
    """
    return [
        _describe_user(
            users.user_ids[row].as_py(),
            users.vectors[row],
            cases.take([row]),
            catalogue,
            lengths,
        )
        for row in range(len(users.users))
    ]


def spread_rows(n_rows: int, n_chosen: int) -> Int64Array:
    """Return up to `n_chosen` of `n_rows` rows, evenly spread, the first among them."""
    chosen = min(n_rows, n_chosen)
    return np.arange(chosen) * n_rows // max(1, chosen)


def _describe_user(
    user_id: int | str,
    vectors: FloatArray,
    case: TestCases,
    catalogue: Catalogue,
    lengths: Lengths,
) -> JsonObject:
    by_vector = vectors @ catalogue.vectors.T
    owner, scores = by_vector.argmax(axis=0), by_vector.max(axis=0)
    open_items = np.arange(len(scores))
    open_items[case.seen.values] = NOTHING
    best = _best(open_items, scores, lengths.headline)
    near = nearest_in_history(
        vectors[np.newaxis], catalogue.vectors, case.seen, lengths.history
    )
    shown = owner[best.positions[best.positions != NOTHING]]
    shares = np.bincount(shown, minlength=len(vectors)) / max(1, len(shown))
    ranks = ranks_by(
        dot_scorer(vectors[np.newaxis], catalogue.vectors),
        case.targets,
        case.seen,
        item_block=len(scores),
    )
    return {
        "user_id": user_id,
        "n_seen": len(case.seen.values),
        "n_held_out": len(case.targets.values),
        "held_out": [
            {
                **catalogue.name(int(item), float(scores[item])),
                "rank": int(rank) + 1,
                "vector_index": int(owner[item]),
            }
            for rank, item in sorted(zip(ranks, case.targets.values, strict=True))
        ][: lengths.recommended],
        "interests": [
            {
                "vector_index": vector,
                "share": float(shares[vector]),
                "history": catalogue.name_all(
                    Found(near.positions[0, vector], near.scores[0, vector])
                ),
                "recommended": catalogue.name_all(
                    _best(
                        np.where(owner == vector, open_items, NOTHING),
                        scores,
                        lengths.recommended,
                    )
                ),
            }
            for vector in np.argsort(-shares, kind="stable").tolist()
        ],
    }


def _best(positions: Positions, scores: FloatArray, k: int) -> Found:
    """Return the `k` best of `[N]` items as a list."""
    found = in_order(positions[np.newaxis], scores[np.newaxis], k)
    return Found(found.positions[0], found.scores[0])


def format_interests(interests: JsonObject) -> Iterator[str]:
    """Yield the paragraphs of the report; none without users of several vectors.

    Args:
        interests: as from the node `describe_interests`.
    """
    if interests["n_vectors"] == 1 or not interests["users"]:
        return
    k = interests["headline"]
    yield "## What the vectors of some users stand for"
    yield (
        f"Each user is {interests['n_vectors']} vectors, and an item is as near as the "
        "nearest of them, to which it belongs. Share: of the first "
        f"{k} items, those of this vector. In brackets: cosines."
    )
    yield from _vector_use(interests["all_queries"], k)
    for user in interests["users"]:
        name = plain(str(user["user_id"]))
        yield f"### User {name}, {user['n_seen']:,} items seen"
        yield "\n".join(map(_bullet, user["interests"]))
        yield _held_out(user)


def _vector_use(use: JsonObject, k: int) -> Iterator[str]:
    """Yield the tables over all queries, of `summarise_vectors`."""
    n_queries, n_vectors = use["n_queries"], len(use["shares"])
    yield f"Over all {n_queries:,} queries, through the index:"
    yield table(
        ["vector", *map(str, range(n_vectors))],
        [[f"share of the first {k} items", *(f"{one:.1%}" for one in use["shares"])]],
    )
    counts = use["queries_by_vectors"]
    yield table(
        [f"vectors with items among the first {k}", *map(str, range(1, n_vectors + 1))],
        [["share of the users", *(f"{count / n_queries:.1%}" for count in counts)]],
    )
    yield f"Mean cosine between two vectors of a user: {use['mean_cosine']:.2f}."


def _held_out(user: JsonObject) -> str:
    told, n_held_out = user["held_out"], user["n_held_out"]
    items = ", ".join(
        f"{_title(item)} at rank {item['rank']:,}, nearest to vector "
        f"{item['vector_index']}"
        for item in told
    )
    is_cut = len(told) < n_held_out
    which = f", the {len(told)} best-ranked of {n_held_out:,}" if is_cut else ""
    return f"Held out{which}: {items}."


def _bullet(interest: JsonObject) -> str:
    return (
        f"- Vector {interest['vector_index']}, share {interest['share']:.0%}\n"
        f"  - past: {_titles(interest['history'])}\n"
        f"  - nearest unseen items: {_titles(interest['recommended'])}"
    )


def _titles(items: Sequence[JsonObject]) -> str:
    named = (f"{_title(item)} ({item['score']:.2f})" for item in items)
    return ", ".join(named) or "nothing"


def _title(item: JsonObject) -> str:
    return f"*{plain(str(item['title'] or item['item_id']))}*"
