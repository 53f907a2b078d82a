"""Section of the report on the interests of sample users."""

from collections.abc import Iterator, Sequence

from two_tower.evaluation.markdown import escape, table
from two_tower.types import JsonObject


def format_interests(interests: JsonObject) -> Iterator[str]:
    """Yield the report's section; nothing for a single vector or no sample users.

    Args:
        interests: from `describe_user_vectors`.
    """
    if interests["n_vectors"] == 1 or not interests["users"]:
        return
    k = interests["headline"]
    yield "## Interests of sample users"
    yield (
        f"Each user has {interests['n_vectors']} vectors. The score of an item is its "
        "cosine with the nearest of them, and the item is assigned to that vector. "
        f"Share: share of the top {k} items assigned to a vector. In brackets: cosines."
    )
    yield from _format_vector_use(interests["all_queries"], k)
    for user in interests["users"]:
        name = escape(str(user["user_id"]))
        yield f"### User {name}, {user['n_seen']:,} items seen"
        yield "\n".join(map(_format_interest, user["interests"]))
        yield _format_held_out(user)


def _format_vector_use(use: JsonObject, k: int) -> Iterator[str]:
    """Yield the tables of `summarise_vectors`."""
    n_queries, n_vectors = use["n_queries"], len(use["shares"])
    yield f"All {n_queries:,} queries, through the index:"
    yield table(
        ["vector", *map(str, range(n_vectors))],
        [[f"share of the top {k} items", *(f"{share:.1%}" for share in use["shares"])]],
    )
    counts = use["queries_by_vectors"]
    yield table(
        [f"vectors with items in the top {k}", *map(str, range(1, n_vectors + 1))],
        [["share of the queries", *(f"{count / n_queries:.1%}" for count in counts)]],
    )
    yield f"Mean cosine between two vectors of a user: {use['mean_cosine']:.2f}."


def _format_held_out(user: JsonObject) -> str:
    listed, n_held_out = user["held_out"], user["n_held_out"]
    items = ", ".join(
        f"{_format_title(item)} at rank {item['rank']:,} (vector "
        f"{item['vector_index']})"
        for item in listed
    )
    is_cut = len(listed) < n_held_out
    which = f", the {len(listed)} best-ranked of {n_held_out:,}" if is_cut else ""
    return f"Held out{which}: {items}."


def _format_interest(interest: JsonObject) -> str:
    return (
        f"- Vector {interest['vector_index']}, share {interest['share']:.0%}\n"
        f"  - history: {_format_items(interest['history'])}\n"
        f"  - nearest unseen items: {_format_items(interest['recommended'])}"
    )


def _format_items(items: Sequence[JsonObject]) -> str:
    parts = (f"{_format_title(item)} ({item['score']:.2f})" for item in items)
    return ", ".join(parts) or "none"


def _format_title(item: JsonObject) -> str:
    return f"*{escape(str(item['title'] or item['item_id']))}*"
