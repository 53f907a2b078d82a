"""How the figures came about, for machines and in words."""

from collections.abc import Sequence
from typing import Any, Final

from two_tower.types import JsonObject

POSITIVES: Final = {
    "leave_one_out": "the last interaction of each user; the one before was for "
    "validation",
    "temporal": "all interactions of each user from a moment on that is the same for "
    "all users",
    "random": "a random share of all interactions, whoever's and whenever",
    "new_items": "all interactions with the items that were held out of training whole",
    "new_users": "the later items of users who were held out of training whole; their "
    "earlier ones are given",
}

HISTORIES: Final = dict.fromkeys(
    ("leave_one_out", "temporal", "random"),
    "A query's history includes the validation items; nothing was trained on them "
    "(no refit).",
) | {
    "new_users": "A query's history holds the items that are given; nothing was "
    "trained on them (no refit).",
    "new_items": "A query's history holds the training interactions of its user, "
    "whenever they were; nothing was trained on the items held out for validation (no "
    "refit).",
}

TIES: Final = {
    "file_order": "in the order of the file",
    "shuffled": "in a random order",
}

REPEATS: Final = {
    "all": "all of them",
    "first": "the first",
    "last": "the last",
}


def describe_protocol(
    split_report: JsonObject,
    *,
    dataset: str,
    cutoffs: Sequence[int],
    headline: int,
    request_time: bool,
    **others: Any,
) -> JsonObject:
    """Return what must be the same where figures are compared.

    Args:
        split_report: `kind`, `shares`, `seed`, `cut_offs`, `selection` and `ties` of
            the split.
        dataset: name of the data.
        cutoffs: the k that are reported.
        headline: the k that comes first.
        request_time: whether queries know when they are asked.
        others: `n_queries`, `n_positives`, `n_items`, `n_cold_items`, and how
            `slices` were cut.
    """
    protocol = {
        "dataset": dataset,
        "selection": split_report["selection"],
        "split": split_report["kind"],
        "shares": split_report["shares"],
        "seed": split_report["seed"],
        "cut_offs": split_report["cut_offs"],
        "ties_in_time": split_report["ties"]["handling"],
        "seed_of_ties_in_time": split_report["ties"]["seed"],
        "share_of_ties_in_time": split_report["ties"]["share_of_consecutive_pairs"],
        "candidates": "all items",
        "seen_items": "left out",
        "ties_in_score": "worst rank",
        "index_list_length": max(cutoffs),
        "refit": False,
        "request_time": request_time,
        "cutoffs": list(cutoffs),
        "headline": headline,
        **others,
    }
    return protocol | {"in_words": in_words(protocol)}


def in_words(protocol: JsonObject) -> str:
    """Return the protocol as a paragraph."""
    sentences = [
        f"Data: {protocol['dataset']}. {_selection_in_words(protocol['selection'])}",
        f"Split: {protocol['split']}; the positives are "
        f"{POSITIVES[protocol['split']]}{_draw_in_words(protocol)}.",
        f"Interactions of one second stand {TIES[protocol['ties_in_time']]}"
        f"{_seed_in_words(protocol['seed_of_ties_in_time'])} "
        f"({protocol['share_of_ties_in_time']:.1%} of consecutive pairs).",
        f"Queries: {protocol['n_queries']:,}, positives: {protocol['n_positives']:,}.",
        f"Each query ranks all {protocol['n_items']:,} items but those of its "
        f"history; none is sampled. {protocol['n_cold_items']:,} of them have no "
        "training interaction.",
        "Among equal scores a positive takes the worst rank.",
        HISTORIES[protocol["split"]],
        f"When a query is asked, the time of its first positive, is "
        f"{'known' if protocol['request_time'] else 'not known'} to the two-tower.",
        "Through the index, a positive that is not among the first "
        f"{protocol['index_list_length']} items served is a miss.",
    ]
    return " ".join(sentences)


def _selection_in_words(selection: JsonObject) -> str:
    rating = selection["min_rating"]
    which = (
        "all, whatever the rating" if rating is None else f"rated {rating:g} or more"
    )
    return (
        f"Interactions: {which}; of a user's repeats of one item "
        f"{REPEATS[selection['repeats']]}; items with at least "
        f"{selection['min_item_interactions']} of them, then users with at least "
        f"{selection['min_user_interactions']}."
    )


def _draw_in_words(protocol: JsonObject) -> str:
    """Return the shares and the seed of a random split, nothing of the others."""
    if protocol["shares"] is None:
        return ""
    shares = (f"{name} {share:g}" for name, share in protocol["shares"].items())
    return f" (shares: {', '.join(shares)}; seed {protocol['seed']})"


def _seed_in_words(seed: int | None) -> str:
    return "" if seed is None else f" of seed {seed}"
