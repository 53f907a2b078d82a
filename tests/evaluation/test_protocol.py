from typing import get_args

import pytest

from tests.evaluation.fabricate import SPLIT_REPORT
from two_tower.evaluation.protocol import HISTORIES, POSITIVES, describe_protocol
from two_tower.pipelines.sequencing.params import SplitKind


def protocol(*, request_time=False, **changes):
    return describe_protocol(
        SPLIT_REPORT | changes,
        dataset="small world",
        cutoffs=(1, 10),
        headline=10,
        request_time=request_time,
        n_queries=12,
        n_positives=14,
        n_items=30,
        n_cold_items=4,
    )


def test_the_protocol_says_which_interactions_count():
    selection = SPLIT_REPORT["selection"] | {"min_rating": 3.5, "repeats": "last"}
    found = protocol(selection=selection)
    assert found["selection"] == selection
    assert (
        "Interactions: rated 3.5 or more; of a user's repeats of one item the last; "
        "items with at least 5 of them, then users with at least 1."
    ) in found["in_words"]
    assert "Interactions: all, whatever the rating;" in protocol()["in_words"]


@pytest.mark.parametrize(
    ("kind", "shares", "words"),
    [
        (
            "random",
            {"validation": 0.1, "test": 0.2},
            "whenever (shares: validation 0.1, test 0.2; seed 5).",
        ),
        (
            "new_users",
            {"validation": 0.1, "test": 0.1, "given": 0.5},
            "are given (shares: validation 0.1, test 0.1, given 0.5; seed 5).",
        ),
        (
            "new_items",
            {"validation": 0.1, "test": 0.2},
            "held out of training whole (shares: validation 0.1, test 0.2; seed 5).",
        ),
    ],
)
def test_a_random_split_is_stated_with_its_shares_and_seed(kind, shares, words):
    found = protocol(kind=kind, shares=shares, seed=5)
    assert (found["shares"], found["seed"]) == (shares, 5)
    assert words in found["in_words"]


@pytest.mark.parametrize("known", [True, False])
def test_whether_the_time_of_a_request_is_known_is_stated(known):
    found = protocol(request_time=known)
    assert found["request_time"] is known
    said = "is known to the two-tower" in found["in_words"]
    assert said is known


def test_a_split_without_chance_has_no_seed_in_words():
    found = protocol()
    assert (found["shares"], found["seed"], found["seed_of_ties_in_time"]) == (
        None,
        None,
        None,
    )
    assert "seed" not in found["in_words"]


def test_a_random_order_within_a_second_is_stated_with_its_seed():
    ties = {"handling": "shuffled", "seed": 9, "share_of_consecutive_pairs": 0.25}
    found = protocol(ties=ties)
    assert found["seed_of_ties_in_time"] == 9
    assert "stand in a random order of seed 9 (25.0% of" in found["in_words"]


def test_every_split_is_described_with_what_a_query_knows():
    assert POSITIVES.keys() == HISTORIES.keys() == set(get_args(SplitKind))


# covers: X11
def test_where_whole_items_are_held_out_the_history_is_of_training_alone():
    words = protocol(kind="new_items", shares={}, seed=5)["in_words"]
    assert "the training interactions of its user, whenever they were" in words
    assert "includes the validation items" not in words
    assert "all 30 items but those of its history; none is sampled. 4 of them" in words
