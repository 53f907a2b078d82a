"""The evaluation protocol: all that must agree before metrics are compared."""

from collections.abc import Sequence
from typing import Any, Final

from two_tower.types import JsonObject

POSITIVES: Final = {
    "leave_one_out": "the last interaction of each user; the one before is for "
    "validation",
    "temporal": "all interactions from a point in time on, the same for all users",
    "random": "a random share of all interactions, regardless of user and time",
    "new_items": "all interactions with items that were held out of training entirely",
    "new_users": "the later interactions of users that were held out of training "
    "entirely; their earlier ones are given as history",
}

HISTORIES: Final = dict.fromkeys(
    ("leave_one_out", "temporal", "random"),
    "A query's history includes the validation items; the model was not trained on "
    "them (no refit).",
) | {
    "new_users": "A query's history holds the given items; the model was not trained "
    "on them (no refit).",
    "new_items": "A query's history holds all training interactions of its user, "
    "regardless of time; the model was not trained on the validation items (no refit).",
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


SEEN: Final = {
    "left_out": "except those that its user has seen before",
    "ranked": "with those of its history",
}


def require_headline(headline: int, cutoffs: Sequence[int]) -> None:
    """Refuse a headline for which no metric is computed.

    Raises:
        ValueError: it is not one of the cutoffs.
    """
    if headline not in cutoffs:
        raise ValueError(
            f"evaluation.report.headline is {headline}, which is not one of "
            f"evaluation.ranking.cutoffs {list(cutoffs)}; choose one of them"
        )


def describe_protocol(
    split_report: JsonObject,
    *,
    dataset: str,
    cutoffs: Sequence[int],
    headline: int,
    request_time: bool,
    **others: Any,
) -> JsonObject:
    """Return the protocol as JSON, and as a paragraph under `in_words`.

    Args:
        split_report: `kind`, `shares`, `seed`, `cut_offs`, `selection`, `has_times` and
            `ties` of the split.
        dataset: name of the data.
        cutoffs: the k of the metrics.
        headline: the k shown first.
        request_time: whether the query vectors depend on the time of the request.
        others: `n_queries`, `n_positives`, `n_items`, `n_cold_items`, the bounds of
            the `slices`, `seen_items` (`left_out` or `ranked`, items of a query's
            history) and `share_of_repeated_positives` (those in the history).

    Raises:
        ValueError: if the headline is not one of the cutoffs.
    """
    require_headline(headline, cutoffs)
    protocol = {
        "dataset": dataset,
        "selection": split_report["selection"],
        "split": split_report["kind"],
        "shares": split_report["shares"],
        "seed": split_report["seed"],
        "cut_offs": split_report["cut_offs"],
        "has_times": split_report["has_times"],
        "ties_in_time": split_report["ties"]["handling"],
        "seed_of_ties_in_time": split_report["ties"]["seed"],
        "share_of_ties_in_time": split_report["ties"]["share_of_consecutive_pairs"],
        "candidates": "all items",
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
        f"{POSITIVES[protocol['split']]}{_sampling_in_words(protocol)}.",
        _order_in_words(protocol),
        f"Queries: {protocol['n_queries']:,}, positives: {protocol['n_positives']:,}.",
        f"Each query ranks all {protocol['n_items']:,} items "
        f"{SEEN[protocol['seen_items']]}, without sampling. "
        f"{_repeats_in_words(protocol)}"
        f"{protocol['n_cold_items']:,} items have no training "
        "interaction.",
        "On equal scores a positive takes the worst rank.",
        HISTORIES[protocol["split"]],
        *_request_time_in_words(protocol),
        "Through the index, a positive outside the top "
        f"{protocol['index_list_length']} is a miss.",
    ]
    return " ".join(sentences)


def _order_in_words(protocol: JsonObject) -> str:
    """Return how interactions are ordered that times do not order."""
    handling = protocol["ties_in_time"]
    order = f"{TIES[handling]}{_seed_in_words(protocol['seed_of_ties_in_time'])}"
    if protocol["has_times"]:
        share = protocol["share_of_ties_in_time"]
        return (
            f"Interactions with equal timestamps are sorted {order} "
            f"({share:.1%} of consecutive pairs)."
        )
    meaning = (
        "no metric says anything about the next item in time"
        if handling == "shuffled"
        else "that order is taken for the order of time"
    )
    return (
        f"The data have no times: a user's interactions are sorted {order}; {meaning}."
    )


def _request_time_in_words(protocol: JsonObject) -> list[str]:
    """Return the sentence on the time of the request; none for data without times."""
    if not protocol["has_times"]:
        return []
    known = "known" if protocol["request_time"] else "not known"
    return [
        f"The time of the request, that of the first positive, is {known} to the "
        "two-tower."
    ]


def _selection_in_words(selection: JsonObject) -> str:
    rating = selection["min_rating"]
    which = "all, with any rating" if rating is None else f"rated {rating:g} or more"
    return (
        f"Interactions: {which}; of a user's repeats of an item "
        f"{REPEATS[selection['repeats']]}; items with at least "
        f"{selection['min_item_interactions']} of them, then users with at least "
        f"{selection['min_user_interactions']}, held-out ones included."
    )


def _sampling_in_words(protocol: JsonObject) -> str:
    """Return the shares and the seed of a random split; empty for other splits."""
    if protocol["shares"] is None:
        return ""
    shares = (f"{name} {share:g}" for name, share in protocol["shares"].items())
    return f" (shares: {', '.join(shares)}; seed {protocol['seed']})"


def _repeats_in_words(protocol: JsonObject) -> str:
    """Return the share of repeated positives as a sentence; empty for none."""
    share = protocol["share_of_repeated_positives"]
    if not share:
        return ""
    advice = (
        " They are candidates; other items of the history are not. If people come "
        "back to items here, set evaluation.seen to ranked, else "
        "sequencing.selection.repeats to first."
    )
    return (
        f"{share:.1%} of the positives are in the query's history already."
        f"{advice if protocol['seen_items'] == 'left_out' else ''} "
    )


def _seed_in_words(seed: int | None) -> str:
    return "" if seed is None else f" with seed {seed}"
