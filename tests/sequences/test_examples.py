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


def test_the_history_of_a_validation_query_is_trained_on_or_given():
    assert rows(build_examples(EVENTS, "validation", ("train", "given"))) == [
        (2, "a", [11], [10], [1.0], [12], [20]),
        (4, "c", [16], [5], [0.5], [17], [6]),
    ]


def test_the_history_of_a_test_query_has_the_validation_item_too():
    history = ("train", "given", "validation")
    assert rows(build_examples(EVENTS, "test", history))[0] == (
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
    *_, example = rows(build_examples(later, "test", ("train", "given")))
    assert example == (4, "c", [16, 17], [5, 6], [0.5, None], [19], [9])


def test_a_query_without_a_history_has_empty_lists():
    examples = build_examples(EVENTS, "test", ("train",))
    assert rows(examples)[1] == (3, "b", [], [], [], [15, 14], [5, 5])


def test_a_split_without_targets_gives_no_query_but_all_columns():
    training = EVENTS.filter(ibis._.split == "train")
    examples = build_examples(training, "validation", ("train",))
    assert rows(examples) == []
    assert examples.to_pyarrow().schema.field("items").type == pa.list_(pa.int32())
