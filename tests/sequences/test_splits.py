from collections import Counter

import ibis
import pytest

from tests.sequences.tables import interactions, rows
from two_tower.sequences import splits
from two_tower.sequences.selection import number_positions


def kept(*events):
    return number_positions(interactions(*events), ties="file_order", seed=0)


def by_user(split):
    found = {}
    for user, name in rows(split.order_by("user_id", "position"), "user_id", "split"):
        found.setdefault(user, []).append(name)
    return found


def test_leave_one_out_tests_the_last_item_and_validates_on_the_one_before():
    events = [(user, i, i) for user in (1, 2, 3, 4) for i in range(user)]
    assert by_user(splits.leave_one_out(kept(*events))) == {
        1: ["train"],
        2: ["train", "test"],
        3: ["train", "validation", "test"],
        4: ["train", "train", "validation", "test"],
    }


def test_temporal_cuts_all_users_at_the_same_moments():
    events = kept(
        (1, 1, 10), (1, 2, 20), (1, 3, 30), (2, 1, 19), (2, 2, 29), (3, 1, 40)
    )
    assert by_user(splits.temporal(events, validation=20, test=30)) == {
        1: ["train", "validation", "test"],
        2: ["train", "validation"],
        3: ["test"],
    }


def test_a_share_cuts_before_the_interaction_at_that_place_in_time():
    events = kept(*((1, i, 10 * i) for i in range(10)))
    assert splits.cut_off(events, 0.8).execute() == 80
    assert splits.cut_off(events, 0.55).execute() == 50
    names = by_user(splits.temporal(events, validation=0.8, test=0.9))[1]
    assert names == ["train"] * 8 + ["validation", "test"]


def test_interactions_of_the_second_of_a_cut_off_all_come_after_it():
    events = kept(*((1, i, 5 if i > 2 else i) for i in range(10)))
    names = by_user(splits.temporal(events, validation=0.5, test=0.9))[1]
    assert names == ["train"] * 3 + ["test"] * 7


def random_split(n=50, seed=0, **shares):
    events = kept(*((i % 7, i, i) for i in range(n)))
    split = splits.random(
        events, **{"validation": 0.1, "test": 0.2} | shares, seed=seed
    )
    return dict(rows(split, "event_id", "split"))


# covers: N3
def test_random_holds_out_exact_shares_of_all_interactions():
    assert Counter(random_split().values()) == {
        "train": 35,
        "validation": 5,
        "test": 10,
    }
    assert Counter(random_split(13, validation=0.0).values()) == {
        "train": 10,
        "test": 3,
    }


def test_random_follows_its_seed_alone():
    assert random_split(seed=0) == random_split(seed=0) != random_split(seed=1)


def test_random_does_not_depend_on_the_order_of_the_rows():
    events = kept(*((i % 7, i, i) for i in range(50)))
    shares = {"validation": 0.1, "test": 0.2, "seed": 0}
    backwards = ibis.memtable(events.order_by(ibis.desc("event_id")).to_pyarrow())
    assert (
        dict(rows(splits.random(backwards, **shares), "event_id", "split"))
        == random_split()
    )


def new_users_split(lengths, seed=0, **shares):
    events = kept(*((u, i, i) for u, n in enumerate(lengths) for i in range(n)))
    shares = {"validation": 0.1, "test": 0.2, "given": 0.5} | shares
    return by_user(splits.new_users(events, **shares, seed=seed))


def test_new_users_are_held_out_whole_in_exact_numbers():
    found = new_users_split([4] * 20)
    assert Counter(map(tuple, found.values())) == {
        ("train",) * 4: 14,
        ("given", "given", "validation", "validation"): 2,
        ("given", "given", "test", "test"): 4,
    }


@pytest.mark.parametrize(
    ("n", "given", "expected"),
    [(2, 0.9, 1), (5, 0.5, 2), (5, 0.1, 1), (5, 0.99, 4), (10, 0.3, 3)],
)
def test_at_least_one_item_is_given_and_one_is_a_target(n, given, expected):
    found = new_users_split([n] * 2, validation=0.0, test=0.5, given=given)
    (names,) = (names for names in found.values() if "test" in names)
    assert names == ["given"] * expected + ["test"] * (n - expected)


def test_users_with_a_single_item_are_never_held_out():
    found = new_users_split([1] * 10 + [3] * 4, validation=0.25, test=0.5)
    assert all(found[user] == ["train"] for user in range(10))
    assert sum("train" not in found[user] for user in range(10, 14)) == 3


def test_new_users_follow_their_seed_alone():
    first, again, other = (new_users_split([3] * 20, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def new_items_split(n_items, seed=0, **shares):
    # Item i is met by i % 3 + 1 of the users 1, 2, 3.
    events = kept(
        *((user, i, 10 * i + user) for i in range(n_items) for user in range(i % 3 + 1))
    )
    shares = {"validation": 0.1, "test": 0.2} | shares
    found = {}
    split = splits.new_items(events, **shares, seed=seed)
    for item, name in rows(split.order_by("event_id"), "item_id", "split"):
        found.setdefault(item, []).append(name)
    return found


# covers: X11
def test_new_items_are_held_out_whole_in_exact_numbers():
    found = new_items_split(20)
    assert [len(names) for names in found.values()] == [i % 3 + 1 for i in range(20)]
    assert all(len(set(names)) == 1 for names in found.values())
    assert Counter(names[0] for names in found.values()) == {
        "train": 14,
        "validation": 2,
        "test": 4,
    }


def test_new_items_follow_their_seed_alone():
    first, again, other = (new_items_split(20, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_new_items_need_no_validation():
    found = new_items_split(10, validation=0.0, test=0.3)
    assert Counter(names[0] for names in found.values()) == {"train": 7, "test": 3}


@pytest.mark.parametrize(
    ("kind", "target", "known"),
    [
        ("leave_one_out", "validation", {"train", "given"}),
        ("leave_one_out", "test", {"train", "given", "validation"}),
        ("new_items", "validation", {"train", "given"}),
        ("new_items", "test", {"train", "given"}),
    ],
)
def test_a_query_knows_validation_items_unless_these_are_new(kind, target, known):
    assert set(splits.known_splits(kind, target)) == known


def test_string_ids_are_split_alike():
    events = kept(*((user, i, i) for user in range(10) for i in range(3)))
    named = events.mutate(user_id=ibis._.user_id.cast("string"))
    shares = {"validation": 0.2, "test": 0.2, "given": 0.5, "seed": 3}
    numbers = by_user(splits.new_users(events, **shares))
    texts = by_user(splits.new_users(named, **shares))
    assert {str(user): names for user, names in numbers.items()} == texts
