from dataclasses import replace

import numpy as np
import pytest

from tests.training.fit_tiny import (
    HOUR,
    N_ITEMS,
    build_towers,
    examples_of,
    second_of,
    validation_of,
    walks,
)
from two_tower.ragged import Ragged
from two_tower.towers.encode import encode_items
from two_tower.training.validation import Examples, Validation

HISTORIES = [[2, 5, 9], [7, 3], [4, 4, 4, 11], [20, 21, 2, 3, 4, 5, 6, 7, 8, 10]]


@pytest.fixture(scope="module")
def towers():
    return build_towers()


@pytest.fixture(scope="module")
def items(towers):
    return encode_items(towers, np.arange(2, N_ITEMS, dtype=np.int32))


def rank_of(towers, items, history, target, *, ranked=False):
    """Return the target's rank, from 0, among all items but those of the history."""
    newest = np.array([history[-6:]], np.int32)  # the widest bucket holds six items
    lengths = np.array([newest.shape[1]], np.int32)
    query = np.asarray(towers({"items": newest, "lengths": lengths}))[0]
    scores = items @ query
    own = scores[target - 2]
    left_out = {target} if ranked else {*history, target}
    others = np.delete(scores, [item - 2 for item in left_out])
    return int((others >= own).sum())


# covers: L26 N8
def test_positives_are_ranked_among_all_items_but_those_seen(towers, items):
    metrics = validation_of(HISTORIES).evaluate(towers, items)
    ranks = [rank_of(towers, items, h[:-1], h[-1]) for h in HISTORIES]
    assert metrics["val_mrr"] == pytest.approx(np.mean([1 / (r + 1) for r in ranks]))
    for k in (1, 10):
        hits = np.mean([rank < k for rank in ranks])
        gains = np.mean([(rank < k) / np.log2(rank + 2) for rank in ranks])
        assert metrics[f"val_hr@{k}"] == pytest.approx(hits)
        assert metrics[f"val_ndcg@{k}"] == pytest.approx(gains)


def test_where_people_come_back_all_items_are_ranked(towers, items):
    split = validation_of(HISTORIES)
    metrics = Validation(**{**vars(split), "seen": "ranked"}).evaluate(towers, items)
    ranks = [rank_of(towers, items, h[:-1], h[-1], ranked=True) for h in HISTORIES]
    assert metrics["val_mrr"] == pytest.approx(np.mean([1 / (r + 1) for r in ranks]))
    assert metrics != split.evaluate(towers, items)


def test_the_block_size_changes_no_metric(towers, items):
    split = validation_of(HISTORIES)
    whole = Validation(**{**vars(split), "item_block": 1000})
    assert split.evaluate(towers, items) == whole.evaluate(towers, items)


def test_a_user_without_a_history_is_ranked_too(towers, items):
    metrics = Validation(
        Examples(np.int32([2]), Ragged.from_lists([[]]), Ragged.from_lists([[5, 9]])),
        cutoffs=[20],
        boundaries=[4],
        tokens_per_batch=8,
        item_block=50,
    ).evaluate(towers, items)
    assert metrics["val_recall@20"] == 1.0  # of twenty items both are among the first


def test_a_repeated_positive_counts_once(towers, items):
    def metrics_of(targets):
        examples = Examples(
            np.int32([2]), Ragged.from_lists([[4]]), Ragged.from_lists([targets])
        )
        changes = {"examples": examples, "cutoffs": [1, 2, 20]}
        return Validation(**(vars(validation_of(HISTORIES)) | changes)).evaluate(
            towers, items
        )

    assert metrics_of([5, 9, 5, 5]) == metrics_of([5, 9])


def test_what_else_a_user_has_seen_is_left_out(towers, items):
    def metrics_of(other_seen, seen="left_out"):
        examples = Examples(
            np.int32([2]), Ragged.from_lists([[4]]), Ragged.from_lists([[5]]), None
        )
        examples = replace(examples, other_seen=other_seen)
        changes = {"examples": examples, "cutoffs": [1], "seen": seen}
        return Validation(**(vars(validation_of(HISTORIES)) | changes)).evaluate(
            towers, items
        )

    # All other items but the positive are left out.
    rest = Ragged.from_lists([[*range(2, 4), *range(6, 2 + len(items))]])
    assert metrics_of(rest)["val_hr@1"] == 1.0
    nothing = Ragged.from_lists([[]])
    assert metrics_of(nothing) == metrics_of(None)
    assert metrics_of(rest, seen="ranked") == metrics_of(None, seen="ranked")


# covers: L26
def test_the_seed_decides_the_sample_of_users():
    examples = examples_of(walks(30))
    one, again, other = (examples.sample(7, seed) for seed in (1, 1, 2))
    assert one.users.tolist() == again.users.tolist() != other.users.tolist()
    assert len(set(one.users.tolist())) == 7
    for user, history, target in zip(
        one.users, rows_of(one.histories), rows_of(one.targets), strict=True
    ):
        assert [*history, *target] == walks(30)[user - 2]


# covers: A1
def test_a_sample_of_users_keeps_their_events():
    examples = examples_of(walks(30))
    sample = examples.sample(7, 1)
    expected = examples_of([walks(30)[user - 2] for user in sample.users])
    np.testing.assert_array_equal(sample.events.ratings, expected.events.ratings)
    asked_at = [second_of(user, len(walks(30)[user - 2]) - 1) for user in sample.users]
    assert sample.events.asked_at.tolist() == asked_at
    newest = sample.events.timestamps[sample.histories.offsets[1:] - 1]
    assert newest.tolist() == [second - HOUR for second in asked_at]


@pytest.mark.parametrize("size", [None, 30, 99])
def test_a_sample_as_large_as_all_is_all(size):
    examples = examples_of(walks(30))
    assert examples.sample(size, 1) is examples


def rows_of(ragged):
    return [part.tolist() for part in np.split(ragged.values, ragged.offsets[1:-1])]


# covers: L26
def test_each_profile_ranks_for_its_own_user():
    towers = build_towers("profile")
    items = encode_items(towers, np.arange(2, N_ITEMS, dtype=np.int32))
    metrics = validation_of(HISTORIES).evaluate(towers, items)
    ranks = []
    for user, history in enumerate(HISTORIES, start=2):
        scores = items @ np.asarray(towers({"users": np.int32([user])}))[0]
        others = np.delete(scores, [item - 2 for item in set(history)])
        ranks.append(int((others >= scores[history[-1] - 2]).sum()))
    assert metrics["val_mrr"] == pytest.approx(np.mean([1 / (r + 1) for r in ranks]))
