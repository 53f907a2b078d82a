"""Each split, and the explicit negatives, must hold out what they promise."""

from types import SimpleNamespace

import ibis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sequences.tables import interactions, parameters, sequence
from two_tower.pipelines.sequencing.audit.rules import split_violations
from two_tower.sequences.splits import Split

from .outputs import KINDS, audit, changed, first_with, make, named, with_params


def test_training_after_the_cut_off_is_named(outputs):
    def later(rows):
        rows[-1]["timestamps"][-1] = 10_000

    corrupted = changed(outputs["temporal"], "train_sequences", later)
    with named("temporal_holds_out_what_it_promises"):
        audit(corrupted)


def test_another_cut_off_than_the_parameters_is_named(outputs):
    params = outputs["temporal"][1]
    other = params["split"].model_dump() | {
        "temporal": {"validation": 0.4, "test": 0.7}
    }
    with named("temporal_holds_out_what_it_promises"):
        audit(with_params(outputs["temporal"], split=Split(**other)))


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
def test_other_shares_than_the_parameters_are_named(outputs, kind, shares):
    params = outputs[kind][1]
    other = params["split"].model_dump(mode="json") | {kind: shares}
    with named(f"{kind}_holds_out_what_it_promises"):
        audit(with_params(outputs[kind], split=Split(**other)))


def test_a_held_out_user_in_training_is_named(outputs):
    query = outputs["new_users"][0]["test_examples"].to_pyarrow().to_pylist()[0]
    items, seconds = query["items"] + query["targets"], query["timestamps"]

    def train_on_them(rows):
        window = {"user": query["user"], "window": 0, "timestamps": seconds[:1]}
        window |= {"ratings": [None], "target_timestamps": seconds[1:2]}
        rows.append(window | {"items": items[:1], "targets": items[1:2]})

    corrupted = changed(outputs["new_users"], "train_sequences", train_on_them)
    with named(r"new_users_holds_out_what_it_promises.*trained on"):
        audit(corrupted)


def held_out_item(outputs):
    return outputs[0]["test_examples"].to_pyarrow().to_pylist()[0]["targets"][0]


# covers: X11
@pytest.mark.parametrize("column", ["items", "targets"])
def test_a_held_out_item_in_training_is_named(outputs, column):
    item = held_out_item(outputs["new_items"])

    def train_on_it(rows):
        rows[0][column][-1] = item

    corrupted = changed(outputs["new_items"], "train_sequences", train_on_it)
    with named(r"new_items_holds_out_what_it_promises.*in training or a history"):
        audit(corrupted)


def test_a_held_out_item_in_a_query_is_named(outputs):
    item = held_out_item(outputs["new_items"])

    def add_it(rows):
        row = first_with(rows, lambda r: r["items"])
        row["items"][0] = item

    corrupted = changed(outputs["new_items"], "validation_examples", add_it)
    with named(r"new_items_holds_out_what_it_promises.*in training or a history"):
        audit(corrupted)


def test_a_held_out_item_that_is_not_always_a_target_is_named(outputs):
    item = held_out_item(outputs["new_items"])

    def drop_the_target(rows):
        row = first_with(rows, lambda r: item in r["targets"] and len(r["targets"]) > 1)
        i = row["targets"].index(item)
        del row["targets"][i], row["target_timestamps"][i]

    corrupted = changed(outputs["new_items"], "test_examples", drop_the_target)
    with named(r"new_items_holds_out_what_it_promises.*not always a target"):
        audit(corrupted)


def test_an_item_held_out_for_both_splits_is_named(outputs):
    item = held_out_item(outputs["new_items"])

    def validate_on_it(rows):
        rows[0]["targets"][0] = item

    corrupted = changed(outputs["new_items"], "validation_examples", validate_on_it)
    with named(r"new_items_holds_out_what_it_promises.*in both splits"):
        audit(corrupted)


@pytest.fixture(scope="module")
def low_rated():
    """Return the outputs of each kind of split with explicit negatives."""
    settings = {
        "selection": {"min_rating": 3.0},
        "explicit_negatives": {"max_rating": 2.0},
    }
    return {kind: make(kind, **settings) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_sound_explicit_negatives_pass(low_rated, kind):
    assert low_rated[kind][0]["explicit_negatives"].count().execute() > 0
    assert audit(low_rated[kind])["passed"]


def add_another_item(rows):
    items = rows[0]["items"]
    items.append(next(item for item in range(2, 14) if item not in items))


def repeat_the_items(rows):
    rows[0]["items"] *= 2


@pytest.mark.parametrize(
    ("kind", "corrupt"),
    [
        ("leave_one_out", add_another_item),
        ("temporal", lambda rows: rows.pop()),
        ("new_items", repeat_the_items),
    ],
)
def test_explicit_negatives_without_a_low_rating_before_targets_are_named(
    low_rated, kind, corrupt
):
    with named("explicit_negatives_come_from_training_only"):
        audit(changed(low_rated[kind], "explicit_negatives", corrupt))


def test_explicit_negatives_without_a_maximum_rating_are_named(outputs):
    def add_some(rows):
        rows.append({"user": 4, "items": [5]})

    corrupted = changed(outputs["random"], "explicit_negatives", add_some)
    with named("explicit_negatives_come_from_training_only"):
        audit(corrupted)


NO_TARGETS = ibis.table({"user": "int32", "item": "int32"}, name="targets")


# covers: N3
@given(st.integers(1, 70_000), st.floats(0.001, 0.5), st.floats(0, 0.49))
def test_a_random_split_is_audited_at_any_size(n, test, validation):
    shares = {"validation": validation, "test": test}
    split = Split(**parameters()["split"] | {"kind": "random", "random": shares})
    expected = SimpleNamespace(count=lambda: SimpleNamespace(execute=lambda: n))
    events = SimpleNamespace(
        expected=expected,
        targets={"validation": NO_TARGETS, "test": NO_TARGETS},
        histories=ibis.table({"user": "int32", "item": "int32"}, name="histories"),
    )
    lists = {"user": "int32", "items": "array<int32>", "targets": "array<int32>"}
    empty = ibis.table(lists, name="examples")
    queries = {"validation_examples": empty, "test_examples": empty}
    violations = split_violations(events, queries, split)
    assert violations.schema()["expected"] == ibis.dtype("int64")


# covers: N3
@pytest.mark.parametrize(
    ("n", "shares"),
    [
        (7, {"validation": 0.1, "test": 0.2}),
        (640, {"validation": 0.1, "test": 0.2}),  # 64 and 128: int8 and int16
        (640, {"validation": 0.0, "test": 0.2}),  # 80/20
    ],
)
def test_a_random_split_of_any_size_passes(n, shares):
    rng = np.random.default_rng(n)
    events = interactions(
        *((int(u), int(i), t) for t, (u, i) in enumerate(rng.integers(1, 13, (n, 2))))
    )
    split = {"kind": "random", "random": shares}
    outputs = sequence(events, split=split, window=50)
    assert audit(outputs)["passed"]
    targets = outputs[0]["test_examples"].targets.length().sum().execute()
    assert targets == int(n * shares["test"] + 0.5)
