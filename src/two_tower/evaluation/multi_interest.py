"""What the vectors of some users stand for: near items of the past, items to come."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.chunking import cut_tables
from two_tower.evaluation.markdown import plain, table
from two_tower.evaluation.queries import TestCases, cases_of, require_same_users
from two_tower.evaluation.top_k_lists import QUERIES_PER_SEARCH
from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult, normalise_queries
from two_tower.index.bundle import IndexBundle
from two_tower.index.rescoring import nearest_vector
from two_tower.index.top_k import top_k
from two_tower.index.vectors import UserVectors, group_by_user
from two_tower.metrics.ranks import dot_scorer, ranks_by
from two_tower.recommend.explanations import similar_history_items
from two_tower.recommend.seen_filter import ItemFilter, search_filtered
from two_tower.types import FloatArray, Int64Array, JsonObject


def stream_queries(
    test_queries: ir.Table, test_examples: ir.Table, n_vectors: int
) -> Iterator[tuple[UserVectors, TestCases]]:
    """Yield some users at a time with their queries, in order of `user`.

    Args:
        test_queries: one row per vector: `user` (int32), `user_id`, `vector_index`
            (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items` and `targets` (array<int32>).
        n_vectors: V, of each user.

    Raises:
        ValueError: if the two hold other users, or one has another number of vectors.
    """
    first_rows = test_queries.filter(test_queries.vector_index == 0)
    require_same_users(*map(_users_of, (first_rows, test_examples)))
    # One table, for a connection streams but one: the items stand beside the first
    # vector of each user.
    examples = test_examples.select(
        "user", "items", "targets", vector_index=ibis.literal(0, "int32")
    )
    vectors = test_queries.select("user", "user_id", "vector_index", "vector")
    joined = vectors.left_join(examples, ["user", "vector_index"])
    rows = joined.drop("user_right", "vector_index_right").order_by(
        "user", "vector_index"
    )
    size = QUERIES_PER_SEARCH * n_vectors
    batches = rows.to_pyarrow_batches(chunk_size=size)
    for piece in cut_tables(batches, rows.schema().to_pyarrow(), repeat(size)):
        users = group_by_user(piece, n_vectors)
        first = pc.equal(piece["vector_index"], 0)
        yield users, cases_of(piece.filter(first))


def _users_of(table: ir.Table) -> npt.NDArray[np.int32]:
    users: npt.NDArray[np.int32]
    users = table.select("user").order_by("user").user.to_pyarrow().to_numpy()
    return users


def summarise_vectors(
    pieces: Iterable[tuple[UserVectors, TestCases]], bundle: IndexBundle, k: int
) -> JsonObject:
    """Return how much of the lists is nearest to each vector, and how alike they are.

    Args:
        pieces: at least one user in all, of V ≥ 2 vectors each.
        bundle: gives the lists, of unseen items, as they are served.
        k: the length of a list.

    Returns:
        `n_queries`; the `shares` of all places, by `vector_index`;
        `queries_by_vectors`, how many lists hold items of 1, 2, … V vectors; and
        `mean_cosine`, between two vectors of a user.
    """
    everything = ItemFilter.of(bundle.n_items, allow=None, exclude=None)
    shares, n_lists, cosines = [], [], []
    for users, cases in pieces:
        n_vectors = users.vectors.shape[1]
        found = search_filtered(
            bundle, users.vectors, k, seen=cases.seen, item_filter=everything
        )
        nearest = nearest_vector(users.vectors, bundle.vectors, found.indices)
        is_of = nearest[..., np.newaxis] == np.arange(n_vectors)
        shares.append(is_of.sum(axis=(0, 1)))
        n_used = is_of.any(axis=1).sum(axis=1)
        n_lists.append(np.bincount(n_used, minlength=n_vectors + 1))
        unit = normalise_queries(users.vectors, bundle.dimension).astype(np.float64)
        # The square of a sum of unit vectors is V and twice the cosines of all pairs.
        squares = (unit.sum(axis=1) ** 2).sum(axis=1)
        cosines.append((squares - n_vectors) / (n_vectors * (n_vectors - 1)))
    places = np.sum(shares, axis=0)
    return {
        "n_queries": int(np.sum(n_lists)),
        "shares": (places / max(1, places.sum())).tolist(),
        "queries_by_vectors": np.sum(n_lists, axis=0)[1:].tolist(),
        "mean_cosine": float(np.concatenate(cosines).mean()),
    }


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

    def name_all(self, found: SearchResult) -> list[JsonObject]:
        """Return the same of each item of a `[K]` list, empty places left out."""
        places = zip(found.indices.tolist(), found.scores.tolist(), strict=True)
        return [self.name(*place) for place in places if place[0] != NO_ITEM]


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
    open_items[case.seen.values] = NO_ITEM
    best = _best(open_items, scores, lengths.headline)
    near = similar_history_items(
        vectors[np.newaxis], catalogue.vectors, case.seen, lengths.history
    )
    shown = owner[best.indices[best.indices != NO_ITEM]]
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
                    SearchResult(near.indices[0, vector], near.scores[0, vector])
                ),
                "recommended": catalogue.name_all(
                    _best(
                        np.where(owner == vector, open_items, NO_ITEM),
                        scores,
                        lengths.recommended,
                    )
                ),
            }
            for vector in np.argsort(-shares, kind="stable").tolist()
        ],
    }


def _best(positions: ItemIndices, scores: FloatArray, k: int) -> SearchResult:
    """Return the `k` best of `[N]` items as a list."""
    found = top_k(positions[np.newaxis], scores[np.newaxis], k)
    return SearchResult(found.indices[0], found.scores[0])


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
