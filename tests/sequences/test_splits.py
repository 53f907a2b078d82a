from collections import Counter

import ibis
import pytest
from pydantic import ValidationError

from tests.sequences.tables import FILE_ORDER, interactions, parameters, rows
from two_tower.sequences import splits

HALF = {"validation": 0.25, "test": 0.25}


def kept(*events):
    return FILE_ORDER.number_positions(interactions(*events), timed=True)


def assign(kind, kept, seed=0):
    return kind.assign(kept, seed=seed)


def by_user(split):
    found = {}
    for user, name in rows(split.order_by("user_id", "position"), "user_id", "split"):
        found.setdefault(user, []).append(name)
    return found


def test_leave_one_out_tests_the_last_item_and_validates_on_the_one_before():
    events = [(user, i, i) for user in (1, 2, 3, 4) for i in range(user)]
    assert by_user(assign(splits.LeaveOneOut(), kept(*events))) == {
        1: ["train"],
        2: ["train", "test"],
        3: ["train", "validation", "test"],
        4: ["train", "train", "validation", "test"],
    }


def test_temporal_cuts_all_users_at_the_same_moments():
    events = kept(
        (1, 1, 10), (1, 2, 20), (1, 3, 30), (2, 1, 19), (2, 2, 29), (3, 1, 40)
    )
    dates = {"validation": "1970-01-01T00:00:20", "test": "1970-01-01T00:00:30"}
    assert by_user(assign(splits.Temporal(**dates), events)) == {
        1: ["train", "validation", "test"],
        2: ["train", "validation"],
        3: ["test"],
    }


def test_a_share_cuts_before_the_interaction_of_that_rank_in_time():
    events = kept(*((1, i, 10 * i) for i in range(10)))
    assert splits.cut_off(events, 0.8).execute() == 80
    assert splits.cut_off(events, 0.55).execute() == 50
    names = by_user(assign(splits.Temporal(validation=0.8, test=0.9), events))[1]
    assert names == ["train"] * 8 + ["validation", "test"]


def test_interactions_of_the_second_of_a_cut_off_all_come_after_it():
    events = kept(*((1, i, 5 if i > 2 else i) for i in range(10)))
    names = by_user(assign(splits.Temporal(validation=0.5, test=0.9), events))[1]
    assert names == ["train"] * 3 + ["test"] * 7


def random_split(n=50, seed=0, **shares):
    events = kept(*((i % 7, i, i) for i in range(n)))
    kind = splits.RandomInteractions(**{"validation": 0.1, "test": 0.2} | shares)
    return dict(rows(assign(kind, events, seed), "event_id", "split"))


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
    backwards = ibis.memtable(events.order_by(ibis.desc("event_id")).to_pyarrow())
    kind = splits.RandomInteractions(validation=0.1, test=0.2)
    found = dict(rows(assign(kind, backwards), "event_id", "split"))
    assert found == random_split()


def new_users_split(lengths, seed=0, **shares):
    events = kept(*((u, i, i) for u, n in enumerate(lengths) for i in range(n)))
    shares = {"validation": 0.1, "test": 0.2, "given": 0.5} | shares
    return by_user(assign(splits.NewUsers(**shares), events, seed))


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
    # i % 3 + 1 of the users 1, 2, 3 interact with item i.
    events = kept(
        *((user, i, 10 * i + user) for i in range(n_items) for user in range(i % 3 + 1))
    )
    shares = {"validation": 0.1, "test": 0.2} | shares
    found = {}
    split = assign(splits.NewItems(**shares), events, seed)
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
    ("kind", "target", "expected"),
    [
        (splits.LeaveOneOut(), "validation", {"train", "given"}),
        (splits.LeaveOneOut(), "test", {"train", "given", "validation"}),
        (splits.NewItems(**HALF), "validation", {"train", "given"}),
        (splits.NewItems(**HALF), "test", {"train", "given"}),
    ],
)
def test_a_test_history_has_validation_items_unless_these_are_new(
    kind, target, expected
):
    assert set(kind.history_splits(target)) == expected


def test_string_ids_are_split_alike():
    events = kept(*((user, i, i) for user in range(10) for i in range(3)))
    named = events.mutate(user_id=ibis._.user_id.cast("string"))
    kind = splits.NewUsers(validation=0.2, test=0.2, given=0.5)
    numbers = by_user(assign(kind, events, seed=3))
    texts = by_user(assign(kind, named, seed=3))
    assert {str(user): names for user, names in numbers.items()} == texts


YEAR_2000 = 946_684_800


@pytest.mark.parametrize(
    ("validation", "test", "cuts"),
    [
        (0.8, 0.9, (0.8, 0.9)),
        ("2000-01-01", "2000-01-02", (YEAR_2000, YEAR_2000 + 86_400)),
        ("2000-01-01T01:00:00+01:00", 0.9, (YEAR_2000, 0.9)),
    ],
)
def test_cut_offs_are_shares_or_moments_in_utc(validation, test, cuts):
    assert splits.Temporal(validation=validation, test=test).cuts == cuts


@pytest.mark.parametrize(
    ("validation", "test"),
    [
        (0.9, 0.8),
        (0.5, 0.5),
        ("2001-01-01", "2000-01-01"),
        (0.5, 1.5),
        (0.5, 978_300_000),
        (0.5, "soon"),
    ],
)
def test_cut_offs_that_do_not_ascend_or_are_no_dates_are_refused(validation, test):
    with pytest.raises(ValidationError):
        splits.Temporal(validation=validation, test=test)


@pytest.mark.parametrize(
    ("group", "more"), [(splits.NewUsers, {"given": 0.5}), (splits.NewItems, {})]
)
def test_something_must_be_left_to_train_on(group, more):
    with pytest.raises(ValidationError, match="left to train on"):
        group(validation=0.5, test=0.5, **more)


def test_an_unknown_kind_is_refused_with_those_that_there_are():
    options = parameters()["split"] | {"kind": "last"}
    with pytest.raises(ValidationError, match="leave_one_out, temporal, random, new"):
        splits.Split(**options)


def test_the_split_of_the_chosen_kind_is_assigned():
    split = splits.Split(**parameters()["split"])
    assert by_user(split.assign(kept((1, 1, 1), (1, 2, 2)))) == {1: ["train", "test"]}


# covers: N3
@pytest.mark.parametrize("kind", ["none", "leave_one_out", "random"])
def test_everything_is_trained_on_without_a_split(kind):
    split = splits.Split(**parameters()["split"] | {"kind": kind})
    events = kept(*((user, item, item) for user in range(4) for item in range(5)))
    found = {name for (name,) in rows(split.assign(events), "split")}
    assert (found == {"train"}) == (kind == "none")
    assert split.chosen.holds_out == (kind != "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "leave_one_out leaves none of 3 interactions for test .3 users, 2 items"),
        (
            {"kind": "random", "random": {"validation": 0.1, "test": 0.1}},
            "random {'validation': 0.1, 'test': 0.1} leaves none of 3 .* raise the",
        ),
        (
            {
                "kind": "temporal",
                "temporal": {"validation": "1960-01-01", "test": "1990-01-01"},
            },
            "temporal .* leaves none of 3 interactions for training .* data span",
        ),
    ],
)
def test_a_split_that_leaves_nothing_is_refused_by_its_parameters(changes, message):
    split = splits.Split(**parameters()["split"] | changes)
    with pytest.raises(ValueError, match=rf"sequencing.split.kind: {message}"):
        split.require_rows(split.assign(kept((1, 1, 5), (2, 1, 6), (3, 2, 7))))


def test_a_split_by_time_is_refused_without_times():
    base = parameters()["split"]
    splits.Split(**base | {"kind": "random"}).require_times(timed=False)
    temporal = splits.Split(**base | {"kind": "temporal"})
    temporal.require_times(timed=True)
    with pytest.raises(ValueError, match=r"needs times.* none, leave_one_out, random"):
        temporal.require_times(timed=False)
