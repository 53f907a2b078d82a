import pytest

from tests.evaluation.fabricate import SPLIT_REPORT
from two_tower.evaluation.protocol import HISTORIES, POSITIVES, describe_protocol
from two_tower.sequences.splits import Split


def protocol(*, request_time=False, seen_items="left_out", repeats=0.0, **changes):
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
        seen_items=seen_items,
        share_of_repeated_positives=repeats,
    )


def test_the_protocol_says_which_interactions_count():
    selection = SPLIT_REPORT["selection"] | {"min_rating": 3.5, "repeats": "last"}
    found = protocol(selection=selection)
    assert found["selection"] == selection
    assert (
        "Interactions: rated 3.5 or more; of a user's repeats of an item the last; "
        "items with at least 5 of them, then users with at least 1, held-out ones "
        "included."
    ) in found["in_words"]
    assert "Interactions: all, with any rating;" in protocol()["in_words"]


@pytest.mark.parametrize(
    ("kind", "shares", "words"),
    [
        (
            "random",
            {"validation": 0.1, "test": 0.2},
            "user and time (shares: validation 0.1, test 0.2; seed 5).",
        ),
        (
            "new_users",
            {"validation": 0.1, "test": 0.1, "given": 0.5},
            "given as history (shares: validation 0.1, test 0.1, given 0.5; seed 5).",
        ),
        (
            "new_items",
            {"validation": 0.1, "test": 0.2},
            "held out of training entirely (shares: validation 0.1, test 0.2; seed 5).",
        ),
    ],
)
def test_a_random_split_is_stated_with_its_shares_and_seed(kind, shares, words):
    found = protocol(kind=kind, shares=shares, seed=5)
    assert (found["shares"], found["seed"]) == (shares, 5)
    assert words in found["in_words"]


@pytest.mark.parametrize("known", [True, False])
def test_the_protocol_states_whether_the_request_time_is_known(known):
    found = protocol(request_time=known)
    assert found["request_time"] is known
    said = "is known to the two-tower" in found["in_words"]
    assert said is known


def test_a_split_without_randomness_has_no_seed_in_words():
    found = protocol()
    assert (found["shares"], found["seed"], found["seed_of_ties_in_time"]) == (
        None,
        None,
        None,
    )
    assert "seed" not in found["in_words"]


def test_a_random_order_of_equal_timestamps_is_stated_with_its_seed():
    ties = {"handling": "shuffled", "seed": 9, "share_of_consecutive_pairs": 0.25}
    found = protocol(ties=ties)
    assert found["seed_of_ties_in_time"] == 9
    assert "sorted in a random order with seed 9 (25.0% of" in found["in_words"]


def test_every_split_has_its_positives_and_histories_described():
    kinds = {kind for kind in Split.kinds() if kind != "none"}
    assert POSITIVES.keys() == HISTORIES.keys() == kinds


def test_data_without_times_are_stated_with_what_that_means():
    ties = {"handling": "shuffled", "seed": 9, "share_of_consecutive_pairs": 0.0}
    words = protocol(has_times=False, ties=ties)["in_words"]
    assert (
        "no times: a user's interactions are sorted in a random order with seed 9; no "
        "metric says anything about the next item in time." in words
    )
    assert "time of the request" not in words
    ties["handling"], ties["seed"] = "file_order", None
    words = protocol(has_times=False, ties=ties)["in_words"]
    assert "in the order of the file; that order is taken for" in words


# covers: X11
def test_in_a_split_of_new_items_histories_hold_training_items_only():
    words = protocol(kind="new_items", shares={}, seed=5)["in_words"]
    assert "all training interactions of its user, regardless of time" in words
    assert "includes the validation items" not in words
    assert (
        "all 30 items except those that its user has seen before, without sampling. 4 "
        "items" in words
    )


def test_repeated_positives_are_stated_with_what_to_do():
    words = protocol(repeats=0.25)["in_words"]
    assert "25.0% of the positives are in the query's history already" in words
    assert "set evaluation.seen to ranked" in words
    assert "in the query's history" not in protocol()["in_words"]


def test_ranked_histories_are_stated():
    found = protocol(repeats=0.25, seen_items="ranked")
    assert found["seen_items"] == "ranked"
    assert found["share_of_repeated_positives"] == 0.25
    assert "all 30 items with those of its history, without" in found["in_words"]
    assert "evaluation.seen" not in found["in_words"]
