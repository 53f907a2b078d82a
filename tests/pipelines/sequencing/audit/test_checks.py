"""Each check must find the fault in a corrupted table, with any kind of split."""

from itertools import cycle

import ibis
import pytest
from ibis import _

from tests.sequences.tables import FILE_ORDER, sequence, some_interactions
from two_tower.sequences import windows
from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.splits import LeaveOneOut, SplitKind

from .outputs import (
    KINDS,
    audit,
    changed,
    deployed_changed,
    first_with,
    make,
    named,
    shares_of,
    with_params,
)


@pytest.mark.parametrize("kind", KINDS)
def test_sound_outputs_pass(outputs, kind):
    report = audit(outputs[kind])
    assert report["passed"]
    assert all(check["passed"] for check in report["checks"])
    assert len({check["name"] for check in report["checks"]}) == 12


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("random", {"order": {"ties": "shuffled", "seed": 3}}),
        ("temporal", {"selection": {"min_rating": 3.0, "min_user_interactions": 4}}),
        ("new_users", {"selection": {"min_item_interactions": 7, "repeats": "last"}}),
        ("new_items", {"order": {"ties": "shuffled", "seed": 3}, "window": 1}),
        ("leave_one_out", {"window": 1}),
    ],
)
def test_sound_outputs_pass_with_other_settings(kind, settings):
    assert audit(make(kind, **settings))["passed"]


def swap_two_events(rows):
    row = first_with(rows, lambda r: len(set(r["timestamps"])) > 2)
    row["item_ids"][0], row["item_ids"][-1] = row["item_ids"][-1], row["item_ids"][0]


def swap_within_a_second(rows):
    def tie(row):
        times = row["timestamps"]
        return [i for i in range(1, len(times)) if times[i] == times[i - 1]]

    row = first_with(rows, tie)
    i = tie(row)[0]
    ids = row["item_ids"]
    ids[i - 1], ids[i] = ids[i], ids[i - 1]


def lose_an_event(rows):
    for name in ("item_ids", "timestamps", "ratings"):
        rows[5][name].pop()


def shift_targets(rows):
    row = first_with(rows, lambda r: len(r["items"]) > 1)
    row["targets"] = row["items"]


def train_on_the_next_item(rows):
    """Replace the last target of a user by an item the user has not had in training."""
    last = rows[-1]
    seen = {i for r in rows if r["user"] == last["user"] for i in r["items"]}
    last["targets"][-1] = next(i for i in range(2, 14) if i not in seen)


def shift_a_target_in_time(rows):
    first_with(rows, lambda r: r["targets"])["target_timestamps"][-1] += 1


def lose_a_rating(rows):
    rows[-1]["ratings"].pop()


def lose_a_single_item(rows):
    rows.remove(first_with(rows, lambda r: not r["targets"]))


def leak_the_target(rows):
    row = rows[-1]
    row["items"].append(row["targets"][0])
    row["timestamps"].append(row["target_timestamps"][0])
    row["ratings"].append(None)


def lose_the_last_event(rows):
    row = first_with(rows, lambda r: len(r["items"]) > 1)
    for name in ("items", "timestamps", "ratings"):
        row[name].pop()


def swap_indices(rows):
    rows[0]["item"], rows[1]["item"] = rows[1]["item"], rows[0]["item"]


def swap_item_ids(rows):
    rows[0]["item_id"], rows[1]["item_id"] = rows[1]["item_id"], rows[0]["item_id"]


def count_one_more(rows):
    rows[3]["n_train"] += 1


def count_a_value_twice(rows):
    rows[0]["count"] += 1


def add_a_value_of_a_cold_item(rows):
    rows.append(
        rows[-1] | {"value": "unheard of", "id": rows[-1]["id"] + 1, "count": 1}
    )


def shift_a_dense_column(rows):
    for row in rows:
        row["length"] += 0.01


def repeat_the_last(rows):
    rows.append(rows[-1])


def answer_for_another_user(rows):
    rows[0]["user_id"] = rows[1]["user_id"]


CORRUPTIONS = [
    ("histories", swap_two_events, "histories_hold_each_interaction_once"),
    ("histories", swap_within_a_second, "histories_hold_each_interaction_once"),
    ("histories", lose_an_event, "histories_hold_each_interaction_once"),
    ("histories", lambda rows: rows.pop(3), "histories_hold_each_interaction_once"),
    ("item_vocabulary", swap_indices, "vocabularies_number_everything_once"),
    ("item_vocabulary", swap_item_ids, "vocabularies_number_everything_once"),
    ("user_vocabulary", lambda rows: rows.pop(), "vocabularies_number_everything"),
    ("train_sequences", shift_targets, "windows_cover_each_training_pair"),
    ("train_sequences", lambda rows: rows.pop(4), "windows_cover_each_training_pair"),
    ("train_sequences", repeat_the_last, "windows_are_full_except_the_oldest"),
    ("train_sequences", train_on_the_next_item, "windows_cover_each_training_pair"),
    ("train_sequences", lambda rows: rows.clear(), "nothing_is_empty"),
    (
        "train_sequences",
        shift_a_target_in_time,
        "windows_cover_each_training_pair",
    ),
    ("train_sequences", lose_a_rating, "windows_are_full_except_the_oldest"),
    ("test_examples", lose_a_rating, "examples_have_one_row_per_user"),
    ("validation_examples", leak_the_target, "query_histories_are_the_whole_past"),
    ("test_examples", leak_the_target, "query_histories_are_the_whole_past"),
    ("train_sequences", lose_a_single_item, "windows_cover_each_training_pair"),
    ("test_examples", lose_the_last_event, "query_histories_are_the_whole_past"),
    ("test_examples", repeat_the_last, "examples_have_one_row_per_user"),
    ("test_examples", answer_for_another_user, "examples_have_one_row_per_user"),
    ("test_examples", lambda rows: rows.pop(), "holds_out_what_it_promises"),
    ("validation_examples", lambda rows: rows.pop(), "holds_out_what_it_promises"),
    ("item_vocabulary", count_one_more, "counts_come_from_training_only"),
    ("user_vocabulary", count_one_more, "counts_come_from_training_only"),
    ("feature_vocabulary", count_a_value_twice, "features_come_from_training_only"),
    (
        "feature_vocabulary",
        add_a_value_of_a_cold_item,
        "features_come_from_training_only",
    ),
    ("item_features", shift_a_dense_column, "features_come_from_training_only"),
]


# covers: X7
@pytest.mark.parametrize(
    ("table", "corrupt", "check", "kind"),
    # An audit takes half a second: each corruption is tried on one kind of split.
    [(*one, kind) for one, kind in zip(CORRUPTIONS, cycle(KINDS), strict=False)],
)
def test_a_corrupt_table_stops_the_run(outputs, table, corrupt, check, kind):
    corrupted = changed(outputs[kind], table, corrupt)
    with named(check):
        audit(corrupted)


def test_a_test_target_in_the_training_windows_is_named():
    outputs = make("leave_one_out")
    target = outputs[0]["test_examples"].to_pyarrow().to_pylist()[-1]

    def train_on_it(rows):
        last = [row for row in rows if row["user"] == target["user"]][-1]
        last["targets"][-1] = target["targets"][0]

    with named("targets_are_absent_from_training"):
        audit(changed(outputs, "train_sequences", train_on_it))


@pytest.fixture(scope="module")
def grown():
    """Return outputs grown from those of a part of the interactions."""
    part = some_interactions().filter((_.user_id < 12) & (_.item_id > 2))
    deployed, _params = sequence(part)
    return sequence(some_interactions(seed=1), grown_from=deployed)


# covers: L28
def test_grown_outputs_pass(grown):
    numbers = grown[0]["item_vocabulary"].select("item", "item_id").to_pyarrow()
    assert numbers["item_id"].to_pylist() == [*range(3, 13), 1, 2]
    assert audit(grown)["passed"]


NUMBERED = "vocabularies_number_everything_once"
FEATURES_TRAINED = "features_come_from_training_only"


def swap_deployed_indices(rows):
    rows[0]["item"], rows[1]["item"] = rows[1]["item"], rows[0]["item"]


def rename_a_value(rows):
    first_with(rows, lambda r: r["feature"] == "year")["value"] = "1812"


@pytest.mark.parametrize(
    ("changed", "table", "corrupt", "check"),
    [
        (deployed_changed, "items", swap_deployed_indices, NUMBERED),
        (deployed_changed, "users", lambda rows: rows.pop(0), NUMBERED),
        (changed, "item_vocabulary", lambda rows: rows.pop(1), NUMBERED),
        (deployed_changed, "values", rename_a_value, FEATURES_TRAINED),
        (changed, "feature_vocabulary", rename_a_value, FEATURES_TRAINED),
    ],
)
def test_outputs_that_have_not_grown_from_the_deployed_ones_are_named(
    grown, changed, table, corrupt, check
):
    with named(check):
        audit(changed(grown, table, corrupt))


def test_windows_of_another_size_than_the_parameters_are_named(outputs):
    with named("windows_are_full_except_the_oldest"):
        audit(with_params(outputs["leave_one_out"], window=4))


def test_interactions_that_must_be_dropped_are_named(outputs):
    params = outputs["leave_one_out"][1]
    stricter = params["selected"].model_dump() | {"min_item_interactions": 7}
    with named("histories_hold_each_interaction_once"):
        audit(with_params(outputs["leave_one_out"], selected=Selection(**stricter)))


def test_shuffled_ties_still_have_to_follow_time():
    outputs = make("leave_one_out", order={"ties": "shuffled", "seed": 3})
    assert audit(outputs)["passed"]
    with named("histories_hold_each_interaction_once"):
        audit(changed(outputs, "histories", swap_two_events))
    with named("histories_hold_each_interaction_once"):
        audit(with_params(outputs, order=FILE_ORDER))


leave_one_out = LeaveOneOut.assign
cut_windows = windows.cut_windows
number_positions = Order.number_positions


def hold_out_too_early(self, kept, *, seed):
    return leave_one_out(self, kept.mutate(position=kept.position + 1), seed=seed)


def reverse_ties(self, rows, *, timed):
    reversed_file = rows.mutate(event_id=-rows.event_id)
    return number_positions(self, reversed_file, timed=timed)


# covers: X7
@pytest.mark.parametrize(
    ("owner", "name", "bug"),
    [
        (LeaveOneOut, "assign", hold_out_too_early),
        (SplitKind, "history_splits", lambda self, target: ("train", "given")),
        (
            windows,
            "cut_windows",
            lambda rows, size: cut_windows(rows.filter(rows.position > 0), size),
        ),
        (Order, "number_positions", reverse_ties),
    ],
    ids=["split", "history", "windows", "order"],
)
def test_a_bug_in_sequencing_is_found(monkeypatch, owner, name, bug):
    monkeypatch.setattr(owner, name, bug)
    with pytest.raises(ValueError, match="the leakage audit failed"):
        audit(make("leave_one_out"))


@pytest.mark.parametrize("kind", ["leave_one_out", "random"])
def test_repeats_of_a_pair_are_allowed_where_the_data_have_them(kind):
    once = some_interactions()
    later = once.mutate(event_id=_.event_id + 1000, timestamp=_.timestamp + 500)
    again = once.union(later).to_pyarrow()
    outputs = sequence(
        ibis.memtable(again), split={"kind": kind, "seed": 1} | shares_of(kind)
    )
    assert audit(outputs)["passed"]


def without_times(table=None):
    rows = some_interactions() if table is None else table
    return rows.mutate(timestamp=ibis.null("int64"))


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("none", "shuffled"),
        ("leave_one_out", "file_order"),
        ("random", "shuffled"),
        ("new_users", "file_order"),
        ("new_items", "shuffled"),
    ],
)
def test_sound_outputs_without_times_pass(kind, order):
    outputs = sequence(
        without_times(),
        split={"kind": kind, "seed": 1} | shares_of(kind),
        order={"without_times": order},
        selection={"repeats": "first"},
        explicit_negatives={"max_rating": None},
    )
    assert audit(outputs)["passed"]
    windows = outputs[0]["train_sequences"].to_pyarrow().to_pylist()
    assert {t for row in windows for t in row["timestamps"]} == {None}
    assert all(len(r["targets"]) == len(r["target_timestamps"]) for r in windows)


def test_the_order_of_the_file_is_audited_without_times():
    outputs = sequence(without_times(), order={"without_times": "file_order"})

    def swap(rows):
        ids = first_with(rows, lambda r: len(r["item_ids"]) > 1)["item_ids"]
        ids[0], ids[1] = ids[1], ids[0]

    with named("histories_hold_each_interaction_once"):
        audit(changed(outputs, "histories", swap))


def test_nothing_is_held_out_without_a_split():
    tables, params = sequence(some_interactions(), split={"kind": "none"})
    assert audit((tables, params))["passed"]
    assert tables["train_sequences"].user.nunique().execute() == 16
    for name in ("validation_examples", "test_examples"):
        assert tables[name].count().execute() == 0
    held_out = make("leave_one_out")[0]["test_examples"]
    with named("none_holds_out_what_it_promises"):
        audit((tables | {"test_examples": held_out}, params))
