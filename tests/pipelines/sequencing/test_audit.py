"""Each check is shown a table that a bug might have made, and must notice."""

from collections.abc import Callable
from contextlib import contextmanager
from itertools import cycle

import ibis
import pyarrow as pa
import pytest
from ibis import _

from tests.sequences.tables import sequence, some_interactions
from two_tower.pipelines.sequencing import audit as audit_package
from two_tower.pipelines.sequencing import nodes
from two_tower.pipelines.sequencing.params import Order, Selection, Split
from two_tower.sequences import selection, splits, windows

KINDS = ("leave_one_out", "temporal", "random", "new_users", "new_items")
SHARES = {
    "temporal": {"validation": 0.5, "test": 0.7},
    "new_users": {"validation": 0.2, "test": 0.3, "given": 0.5},
    "new_items": {"validation": 0.2, "test": 0.3},
}
AUDITED = (
    "interactions",
    "histories",
    "item_vocabulary",
    "user_vocabulary",
    "feature_vocabulary",
    "item_features",
    "user_features",
    "train_sequences",
    "explicit_negatives",
    "validation_examples",
    "test_examples",
)
GROWN_FROM = ("deployed_items", "deployed_users", "deployed_values")


def make(kind, **settings):
    split = {"kind": kind, "seed": 1} | shares_of(kind)
    return sequence(some_interactions(), split=split, **settings)


def shares_of(kind):
    return {kind: SHARES[kind]} if kind in SHARES else {}


@pytest.fixture(scope="module")
def outputs():
    """Return the outputs of each kind of split; tests change copies."""
    return {kind: make(kind) for kind in KINDS}


def audit(outputs):
    tables, params = outputs
    names = [name for name in (*AUDITED, *GROWN_FROM) if name in tables]
    return nodes.audit_leakage(**params, **{name: tables[name] for name in names})


@contextmanager
def named(check):
    """Expect that the audit stops the run and names a check; ask only that question.

    Whether sound outputs pass all questions is tested apart. For one question alone the
    evidence is not computed beforehand.
    """
    question = check.partition(".*")[0]
    answer = vars(audit_package)["_answer"]

    def answer_one(name, violations):
        if question in name:
            return answer(name, violations)
        return audit_package.Check(name, passed=True, detail="not asked")

    def as_it_is(events):
        return events.cast({"place": "int64"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_package, "_answer", answer_one)
        patch.setattr(audit_package.tables, "_computed", as_it_is)
        with pytest.raises(ValueError, match=f"the leakage audit failed.*{check}"):
            yield


def changed(outputs, name, change: Callable[[list[dict]], object]):
    """Return the outputs with the rows of one table changed in place by `change`."""
    tables, params = outputs
    arrow = tables[name].to_pyarrow()
    table_rows = arrow.to_pylist()
    change(table_rows)
    table = ibis.memtable(pa.Table.from_pylist(table_rows, arrow.schema))
    return tables | {name: table}, params


def with_params(outputs, **params):
    return outputs[0], outputs[1] | params


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


def first_with(rows, test):
    return next(row for row in rows if test(row))


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
    met = {i for r in rows if r["user"] == last["user"] for i in r["items"]}
    last["targets"][-1] = next(i for i in range(2, 14) if i not in met)


def ask_later(rows):
    first_with(rows, lambda r: r["targets"])["target_timestamps"][-1] += 1


def lose_a_rating(rows):
    rows[-1]["ratings"].pop()


def lose_a_lone_item(rows):
    rows.remove(first_with(rows, lambda r: not r["targets"]))


def know_the_target(rows):
    row = rows[-1]
    row["items"].append(row["targets"][0])
    row["timestamps"].append(row["target_timestamps"][0])
    row["ratings"].append(None)


def forget_the_last_event(rows):
    row = first_with(rows, lambda r: len(r["items"]) > 1)
    for name in ("items", "timestamps", "ratings"):
        row[name].pop()


def swap_ids(rows):
    rows[0]["item"], rows[1]["item"] = rows[1]["item"], rows[0]["item"]


def swap_item_ids(rows):
    rows[0]["item_id"], rows[1]["item_id"] = rows[1]["item_id"], rows[0]["item_id"]


def count_one_more(rows):
    rows[3]["n_train"] += 1


def count_a_value_twice(rows):
    rows[0]["count"] += 1


def know_a_value_of_a_cold_item(rows):
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
    ("item_vocabulary", swap_ids, "vocabularies_number_everything_once"),
    ("item_vocabulary", swap_item_ids, "vocabularies_number_everything_once"),
    ("user_vocabulary", lambda rows: rows.pop(), "vocabularies_number_everything"),
    ("train_sequences", shift_targets, "windows_cover_each_training_pair_once"),
    ("train_sequences", lambda rows: rows.pop(4), "windows_cover_each_training_pair"),
    ("train_sequences", repeat_the_last, "windows_are_full_but_the_oldest"),
    ("train_sequences", train_on_the_next_item, "windows_cover_each_training_pair"),
    ("train_sequences", lambda rows: rows.clear(), "nothing_is_empty"),
    ("train_sequences", ask_later, "windows_cover_each_training_pair_once"),
    ("train_sequences", lose_a_rating, "windows_are_full_but_the_oldest"),
    ("test_examples", lose_a_rating, "examples_have_one_row_per_user"),
    ("validation_examples", know_the_target, "queries_know_the_past"),
    ("test_examples", know_the_target, "queries_know_the_past"),
    ("train_sequences", lose_a_lone_item, "windows_cover_each_training_pair_once"),
    ("test_examples", forget_the_last_event, "queries_know_the_past"),
    ("test_examples", repeat_the_last, "examples_have_one_row_per_user"),
    ("test_examples", answer_for_another_user, "examples_have_one_row_per_user"),
    ("test_examples", lambda rows: rows.pop(), "holds_out_what_it_says"),
    ("validation_examples", lambda rows: rows.pop(), "holds_out_what_it_says"),
    ("item_vocabulary", count_one_more, "counts_come_from_training_only"),
    ("user_vocabulary", count_one_more, "counts_come_from_training_only"),
    ("feature_vocabulary", count_a_value_twice, "features_come_from_training_only"),
    (
        "feature_vocabulary",
        know_a_value_of_a_cold_item,
        "features_come_from_training_only",
    ),
    ("item_features", shift_a_dense_column, "features_come_from_training_only"),
]


# covers: X7
@pytest.mark.parametrize(
    ("table", "corrupt", "check", "kind"),
    # An audit takes half a second: each corruption meets one kind of split in turn.
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


def test_training_after_the_cut_off_is_named(outputs):
    def later(rows):
        rows[-1]["timestamps"][-1] = 10_000

    corrupted = changed(outputs["temporal"], "train_sequences", later)
    with named("temporal_holds_out_what_it_says"):
        audit(corrupted)


def test_a_cut_off_other_than_asked_is_named(outputs):
    params = outputs["temporal"][1]
    asked = params["split"].model_dump() | {
        "temporal": {"validation": 0.4, "test": 0.7}
    }
    with named("temporal_holds_out_what_it_says"):
        audit(with_params(outputs["temporal"], split=Split(**asked)))


@pytest.mark.parametrize(
    ("kind", "shares"),
    [
        ("random", {"validation": 0.1, "test": 0.3}),
        ("random", {"validation": 0.0, "test": 0.2}),
        ("new_users", {"validation": 0.2, "test": 0.3, "given": 0.3}),
        ("new_users", {"validation": 0.2, "test": 0.5, "given": 0.5}),
        ("new_items", {"validation": 0.2, "test": 0.4}),
        ("new_items", {"validation": 0.1, "test": 0.3}),
    ],
)
def test_shares_other_than_asked_are_named(outputs, kind, shares):
    params = outputs[kind][1]
    asked = params["split"].model_dump(mode="json") | {kind: shares}
    with named(f"{kind}_holds_out_what_it_says"):
        audit(with_params(outputs[kind], split=Split(**asked)))


def test_a_held_out_user_in_training_is_named(outputs):
    query = outputs["new_users"][0]["test_examples"].to_pyarrow().to_pylist()[0]
    items, seconds = query["items"] + query["targets"], query["timestamps"]

    def train_on_them(rows):
        window = {"user": query["user"], "window": 0, "timestamps": seconds[:1]}
        window |= {"ratings": [None], "target_timestamps": seconds[1:2]}
        rows.append(window | {"items": items[:1], "targets": items[1:2]})

    corrupted = changed(outputs["new_users"], "train_sequences", train_on_them)
    with named(r"new_users_holds_out_what_it_says.*trained on"):
        audit(corrupted)


def held_out_item(outputs):
    return outputs[0]["test_examples"].to_pyarrow().to_pylist()[0]["targets"][0]


# covers: X11
@pytest.mark.parametrize("place", ["items", "targets"])
def test_a_held_out_item_in_training_is_named(outputs, place):
    item = held_out_item(outputs["new_items"])

    def train_on_it(rows):
        rows[0][place][-1] = item

    corrupted = changed(outputs["new_items"], "train_sequences", train_on_it)
    with named(r"new_items_holds_out_what_it_says.*known elsewhere"):
        audit(corrupted)


def test_a_held_out_item_in_a_query_is_named(outputs):
    item = held_out_item(outputs["new_items"])

    def know_it(rows):
        row = first_with(rows, lambda r: r["items"])
        row["items"][0] = item

    corrupted = changed(outputs["new_items"], "validation_examples", know_it)
    with named(r"new_items_holds_out_what_it_says.*known elsewhere"):
        audit(corrupted)


def test_an_item_that_is_a_target_now_and_then_is_named(outputs):
    item = held_out_item(outputs["new_items"])

    def ask_for_less(rows):
        row = first_with(rows, lambda r: item in r["targets"] and len(r["targets"]) > 1)
        i = row["targets"].index(item)
        del row["targets"][i], row["target_timestamps"][i]

    corrupted = changed(outputs["new_items"], "test_examples", ask_for_less)
    with named(r"new_items_holds_out_what_it_says.*not always a target"):
        audit(corrupted)


def test_an_item_held_out_for_both_splits_is_named(outputs):
    item = held_out_item(outputs["new_items"])

    def validate_on_it(rows):
        rows[0]["targets"][0] = item

    corrupted = changed(outputs["new_items"], "validation_examples", validate_on_it)
    with named(r"new_items_holds_out_what_it_says.*in both splits"):
        audit(corrupted)


@pytest.fixture(scope="module")
def disliking():
    """Return the outputs of each kind of split where low ratings are dislikes."""
    settings = {
        "selection": {"min_rating": 3.0},
        "explicit_negatives": {"max_rating": 2.0},
    }
    return {kind: make(kind, **settings) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_sound_dislikes_pass(disliking, kind):
    assert disliking[kind][0]["explicit_negatives"].count().execute() > 0
    assert audit(disliking[kind])["passed"]


def dislike_another_item(rows):
    items = rows[0]["items"]
    items.append(next(item for item in range(2, 14) if item not in items))


def dislike_twice(rows):
    rows[0]["items"] *= 2


@pytest.mark.parametrize(
    ("kind", "corrupt"),
    [
        ("leave_one_out", dislike_another_item),
        ("temporal", lambda rows: rows.pop()),
        ("new_items", dislike_twice),
    ],
)
def test_other_disliked_items_than_the_past_has_are_named(disliking, kind, corrupt):
    with named("disliked_items_come_from_training_only"):
        audit(changed(disliking[kind], "explicit_negatives", corrupt))


def test_dislikes_that_were_not_asked_for_are_named(outputs):
    def dislike(rows):
        rows.append({"user": 4, "items": [5]})

    corrupted = changed(outputs["random"], "explicit_negatives", dislike)
    with named("disliked_items_come_from_training_only"):
        audit(corrupted)


@pytest.fixture(scope="module")
def grown():
    """Return outputs that have grown from those of a part of the interactions."""
    part = some_interactions().filter((_.user_id < 12) & (_.item_id > 2))
    known, _params = sequence(part)
    return sequence(some_interactions(seed=1), grown_from=known)


# covers: L28
def test_grown_outputs_pass(grown):
    numbers = grown[0]["item_vocabulary"].select("item", "item_id").to_pyarrow()
    assert numbers["item_id"].to_pylist() == [*range(3, 13), 1, 2]
    assert audit(grown)["passed"]


def know_another_number(rows):
    rows[0]["item"], rows[1]["item"] = rows[1]["item"], rows[0]["item"]


def know_another_value(rows):
    first_with(rows, lambda r: r["feature"] == "year")["value"] = "1812"


@pytest.mark.parametrize(
    ("table", "corrupt", "check"),
    [
        ("deployed_items", know_another_number, "vocabularies_number_everything_once"),
        ("deployed_users", lambda rows: rows.pop(0), "vocabularies_number_everything"),
        ("item_vocabulary", lambda rows: rows.pop(1), "vocabularies_number_everything"),
        ("deployed_values", know_another_value, "features_come_from_training_only"),
        ("feature_vocabulary", know_another_value, "features_come_from_training_only"),
    ],
)
def test_what_has_not_grown_from_the_known_is_named(grown, table, corrupt, check):
    with named(check):
        audit(changed(grown, table, corrupt))


def test_windows_of_another_size_than_asked_are_named(outputs):
    with named("windows_are_full_but_the_oldest"):
        audit(with_params(outputs["leave_one_out"], window=4))


def test_interactions_that_ought_to_be_dropped_are_named(outputs):
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
        audit(with_params(outputs, order=Order(ties="file_order", seed=0)))


def held_out_too_early(kept):
    return splits_leave_one_out(kept.mutate(position=kept.position - 1))


splits_leave_one_out = splits.leave_one_out
cut_windows = windows.cut_windows
number_positions = selection.number_positions


# covers: X7
@pytest.mark.parametrize(
    ("module", "name", "bug"),
    [
        (splits, "leave_one_out", held_out_too_early),
        (
            splits,
            "known_splits",
            lambda kind, target: ("train", "given"),
        ),
        (
            windows,
            "cut_windows",
            lambda rows, size: cut_windows(rows.filter(rows.position > 0), size),
        ),
        (
            selection,
            "number_positions",
            lambda rows, **o: number_positions(
                rows.mutate(event_id=-rows.event_id), **o
            ),
        ),
    ],
    ids=["split", "known", "windows", "order"],
)
def test_a_bug_in_what_makes_the_outputs_is_noticed(monkeypatch, module, name, bug):
    monkeypatch.setattr(module, name, bug)
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
