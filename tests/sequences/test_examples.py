import ibis
import pyarrow as pa

from tests.sequences.tables import rows
from two_tower.sequences.examples import build_examples


def interactions(*events):
    """Return interactions whose rating is a tenth of their second, but for 6."""
    columns = ("user", "user_id", "item", "timestamp", "position", "split")
    columns = {
        name: list(values)
        for name, values in zip(columns, zip(*events, strict=True), strict=True)
    }
    columns["rating"] = [
        None if second == 6 else second / 10 for second in columns["timestamp"]
    ]
    types = {"user": "int32", "item": "int32", "position": "int32", "rating": "float32"}
    return ibis.memtable(columns).cast(types)


EVENTS = interactions(
    (2, "a", 12, 20, 1, "validation"),
    (2, "a", 13, 30, 2, "test"),
    (2, "a", 11, 10, 0, "train"),
    (3, "b", 14, 5, 1, "test"),
    (3, "b", 15, 5, 0, "test"),
    (4, "c", 16, 5, 0, "given"),
    (4, "c", 17, 6, 1, "validation"),
    (5, "d", 18, 7, 0, "train"),
)


NO_EVENTS = EVENTS.limit(0)


def examples(events, target, history, dropped=NO_EVENTS):
    """Return the queries without their last column, what else was seen."""
    return [row[:-1] for row in rows(build_examples(events, target, history, dropped))]


def test_the_history_of_a_validation_query_is_trained_on_or_given():
    assert examples(EVENTS, "validation", ("train", "given")) == [
        (2, "a", [11], [10], [1.0], [12], [20]),
        (4, "c", [16], [5], [0.5], [17], [6]),
    ]


def test_the_history_of_a_test_query_has_the_validation_item_too():
    history = ("train", "given", "validation")
    assert examples(EVENTS, "test", history)[0] == (
        2,
        "a",
        [11, 12],
        [10, 20],
        [1.0, 2.0],
        [13],
        [30],
    )


# covers: A1
def test_an_item_without_a_rating_has_a_null_in_the_list():
    later = EVENTS.mutate(split=(ibis._.item == 17).ifelse("train", ibis._.split))
    later = later.union(interactions((4, "c", 19, 9, 2, "test")))
    *_, example = examples(later, "test", ("train", "given"))
    assert example == (4, "c", [16, 17], [5, 6], [0.5, None], [19], [9])


def test_a_query_without_a_history_has_empty_lists():
    assert examples(EVENTS, "test", ("train",))[1] == (
        3,
        "b",
        [],
        [],
        [],
        [15, 14],
        [5, 5],
    )


def test_a_split_without_targets_gives_no_query_but_all_columns():
    training = EVENTS.filter(ibis._.split == "train")
    found = build_examples(training, "validation", ("train",), NO_EVENTS)
    assert rows(found) == []
    for name in ("items", "targets", "other_seen"):
        assert found.to_pyarrow().schema.field(name).type == pa.list_(pa.int32())


DROPPED = interactions(
    (2, "a", 30, 29, 0, "dropped"),
    (2, "a", 31, 30, 0, "dropped"),  # in the second of the target
    (2, "a", 20, 1, 0, "dropped"),
    (2, "a", 20, 2, 0, "dropped"),
    (2, "a", 32, 40, 0, "dropped"),  # later
    (5, "d", 33, 1, 0, "dropped"),  # of a user without a query
)


def test_what_the_selection_dropped_before_the_first_target_was_seen_too():
    found = build_examples(EVENTS, "test", ("train",), DROPPED)
    assert [row[-1] for row in rows(found)] == [[20, 30], []]
    found = build_examples(EVENTS, "validation", ("train",), DROPPED)
    assert [row[-1] for row in rows(found)] == [[20], []]


def test_without_times_all_that_the_selection_dropped_was_seen():
    events, dropped = (
        table.mutate(timestamp=ibis.null("int64")) for table in (EVENTS, DROPPED)
    )
    found = build_examples(events, "test", ("train",), dropped)
    assert [row[-1] for row in rows(found)] == [[20, 30, 31, 32], []]
