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
    "new_users": "the later items of users who were held out of training whole; their "
    "earlier ones are given",
}

TIES: Final = {
    "file_order": "in the order of the file",
    "shuffled": "in a random order",
}


def describe_protocol(
    split_report: JsonObject,
    *,
    dataset: str,
    cutoffs: Sequence[int],
    headline: int,
    **others: Any,
) -> JsonObject:
    """Return what must be the same where figures are compared.

    Args:
        split_report: `kind`, `cut_offs` and `ties` of the split.
        dataset: name of the data.
        cutoffs: the k that are reported.
        headline: the k that comes first.
        others: `n_queries`, `n_positives`, `n_items`, and how `slices` were cut.
    """
    protocol = {
        "dataset": dataset,
        "split": split_report["kind"],
        "cut_offs": split_report["cut_offs"],
        "ties_in_time": split_report["ties"]["handling"],
        "share_of_ties_in_time": split_report["ties"]["share_of_consecutive_pairs"],
        "candidates": "all items",
        "seen_items": "left out",
        "ties_in_score": "worst rank",
        "index_list_length": max(cutoffs),
        "refit": False,
        "cutoffs": list(cutoffs),
        "headline": headline,
        **others,
    }
    return protocol | {"in_words": in_words(protocol)}


def in_words(protocol: JsonObject) -> str:
    """Return the protocol as a paragraph."""
    sentences = [
        f"Data: {protocol['dataset']}. Split: {protocol['split']}; the positives are "
        f"{POSITIVES[protocol['split']]}.",
        f"Interactions of one second stand {TIES[protocol['ties_in_time']]} "
        f"({protocol['share_of_ties_in_time']:.1%} of consecutive pairs).",
        f"Queries: {protocol['n_queries']:,}, positives: {protocol['n_positives']:,}.",
        f"Each query ranks all {protocol['n_items']:,} items but those its user has "
        "had before; none is sampled.",
        "Among equal scores a positive takes the worst rank.",
        "A query's history includes the validation items; nothing was trained on them "
        "(no refit).",
        "Through the index, a positive that is not among the first "
        f"{protocol['index_list_length']} items served is a miss.",
    ]
    return " ".join(sentences)
