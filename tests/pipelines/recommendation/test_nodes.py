import logging
from collections.abc import Iterator

import ibis
import numpy as np
import pyarrow as pa
import pytest
from kedro.pipeline import Node
from pydantic import ValidationError

from tests.index.fabricate import bundle_of, user_embeddings
from two_tower.datasets.parquet_shards import ParquetShardsDataset
from two_tower.params import Seen
from two_tower.pipelines.recommendation.nodes import recommend_items
from two_tower.pipelines.recommendation.params import Recommendation

SETTINGS = {
    "k": 2,
    "users": "all",
    "user_id": None,
    "cold_start": "refuse",
    "order": {
        "kind": "best",
        "random": {"temperature": 1.0, "among": 3, "seed": 1},
    },
    "quota": None,
    "similar_history_items": 2,
    "filter_seen": None,
    "allow_items": None,
    "exclude_items": [],
    "users_per_batch": 100,
    "logged_users": 3,
}

# Three items at 0°, 30° and 90°; users 42 and 7 look at 0°, user 8 looks at 90°.
ANGLES = np.deg2rad([0.0, 30.0, 90.0])
ITEMS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
USERS = ITEMS[[0, 0, 2]]


def parameters(**changes):
    return Recommendation.model_validate(SETTINGS | changes)


def random_order(**options):
    order = SETTINGS["order"]
    return order | {"kind": "random", "random": order["random"] | options}


def interactions_of(user_ids, item_ids, dropped=()):
    """Return the interactions of histories, and others that the selection dropped."""
    pairs = [
        (user, item)
        for user, items in zip(user_ids, item_ids, strict=True)
        for item in items
    ]
    users, items = zip(*pairs, *dropped, strict=True)
    return ibis.memtable(pa.table({"user_id": users, "item_id": items}))


def inputs(
    item_ids=(10, 20, 30),
    user_ids=(42, 7, 8),
    seen=((10,), (), (99, 30)),
    dropped=(),
    rule="left_out",
):
    """Return the node's inputs; the index lacks item 99, which user 8 has seen."""
    if isinstance(item_ids[0], str):
        seen = [[str(item) for item in items] for items in seen]
    history = {"user_id": list(user_ids), "item_ids": pa.array(seen, None)}
    vocabulary = {
        "item_id": list(item_ids),
        "title": ["Alien", None, "Casino"],
        "n_train": [1, 5, 2],
    }
    return (
        bundle_of(ITEMS, item_ids=list(item_ids)),
        ibis.memtable(pa.table(vocabulary)),
        user_embeddings(list(user_ids), USERS).order_by(ibis.desc("user")),
        ibis.memtable(pa.table(history)).order_by(ibis.desc("user_id")),
        interactions_of(user_ids, seen, dropped),
        {"learned": [0.0, 1.0], "average": [1.0, 0.1]},
        Seen(rule),
    )


def recommend(*args, **changes):
    """Return (user, rank, item, title) of each row."""
    batches = recommend_items(*(args or inputs()), parameters(**changes))
    rows = pa.Table.from_batches(batches).to_pylist()
    return [(r["user_id"], r["rank"], r["item_id"], r["title"]) for r in rows]


# covers: N17 N19 L30
def test_all_users_get_titles_without_what_they_have_seen():
    assert recommend() == [
        (42, 1, 20, None),
        (42, 2, 30, "Casino"),
        (7, 1, 10, "Alien"),
        (7, 2, 20, None),
        (8, 1, 20, None),
        (8, 2, 10, "Alien"),
    ]


def test_the_table_has_the_columns_it_promises():
    table = pa.Table.from_batches(recommend_items(*inputs(), parameters()))
    assert table.schema.field("rank").type == pa.int32()
    assert table.schema.field("score").type == pa.float32()
    scores = table.column("score").to_pylist()[:2]  # of user 42, cos 30° and cos 90°
    assert scores == pytest.approx([3**0.5 / 2, 0.0], abs=1e-6)


def test_seen_items_are_recommended_without_the_filter():
    assert recommend(filter_seen=False, k=1) == [
        (42, 1, 10, "Alien"),
        (7, 1, 10, "Alien"),
        (8, 1, 30, "Casino"),
    ]


def test_a_user_without_a_history_has_no_seen_items():
    index, vocabulary, users, *tables, cold, seen = inputs()
    others = (table.filter(table.user_id != 42) for table in tables)
    assert recommend(
        index, vocabulary, users, *others, cold, seen, k=1, user_id=42
    ) == [(42, 1, 10, "Alien")]


# What is rated low, for example, where `selection.min_rating` is set.
def test_items_that_the_selection_dropped_are_seen():
    data = inputs(dropped=[(42, 20), (42, 20), (7, 99)])
    assert recommend(*data) == [
        (42, 1, 30, "Casino"),
        (7, 1, 10, "Alien"),
        (7, 2, 20, None),
        (8, 1, 20, None),
        (8, 2, 10, "Alien"),
    ]


@pytest.mark.parametrize("policy", ["average", "popular"])
def test_a_user_whom_the_selection_dropped_gets_no_seen_item(policy):
    data = inputs(dropped=[(9, 20), (9, 10)])
    assert [row[2] for row in recommend(*data, user_id=9, cold_start=policy)] == [30]
    text = inputs(
        user_ids=("a", "b", "c"), item_ids=("x", "y", "z"), dropped=[("d", "y")]
    )
    found = recommend(*text, users=["d", "e"], cold_start=policy, k=3)
    assert {row[2] for row in found if row[0] == "d"} == {"x", "z"}
    assert {row[2] for row in found if row[0] == "e"} == {"x", "y", "z"}


@pytest.mark.parametrize(
    ("rule", "filter_seen", "is_masked"),
    [
        ("left_out", None, True),
        ("ranked", None, False),
        ("ranked", True, True),
        ("left_out", False, False),
    ],
)
def test_seen_items_are_masked_as_in_the_evaluation(rule, filter_seen, is_masked):
    rows = recommend(*inputs(rule=rule), filter_seen=filter_seen, k=3)
    assert ((42, 10) not in {(row[0], row[2]) for row in rows}) == is_masked


@pytest.mark.parametrize("listed", [{"user_id": 7}, {"users": [7]}, {"users": ["7"]}])
def test_a_listed_user_gets_the_list_of_a_run_for_all(listed):
    assert recommend(**listed) == [row for row in recommend() if row[0] == 7]


def test_a_number_on_the_command_line_finds_a_user_whose_id_is_text():
    data = inputs(user_ids=("42", "7", "8"), item_ids=("a", "b", "c"))
    assert recommend(*data, user_id=7, k=1) == [("7", 1, "a", "Alien")]


# What --params makes of a bare 00042 and of a quoted one.
@pytest.mark.parametrize(("user_id", "is_hinted"), [(34, True), ("00043", False)])
def test_a_missing_numeric_id_hints_at_quotes_for_text_ids(user_id, is_hinted):
    data = inputs(user_ids=("00042", "00007", "x"))
    with pytest.raises(ValueError, match=f"user_embeddings: {user_id}; ") as caught:
        recommend(*data, user_id=user_id)
    assert ("text ids that look like numbers go in quotes" in str(caught.value)) == (
        is_hinted
    )


def test_a_text_id_with_leading_zeros_is_found_as_text():
    data = inputs(user_ids=("34", "00042", "42"))
    assert {row[0] for row in recommend(*data, user_id="00042")} == {"00042"}


def test_several_users_come_in_the_order_of_the_table():
    assert [row[0] for row in recommend(users=[8, 42, 8], k=1)] == [42, 8]


# covers: L29
def test_a_user_without_an_embedding_is_named_with_examples_of_others():
    with pytest.raises(ValueError, match=r"the 3 of user_embeddings: 9; .* 42, 7, 8"):
        recommend(user_id=9)
    with pytest.raises(ValueError, match=r"2 of 3 listed users .*: 5, x"):
        recommend(users=[5, 42, "x"])


def test_a_table_without_users_is_refused():
    index, vocabulary, users, *others = inputs()
    with pytest.raises(ValueError, match="user_embeddings is empty"):
        recommend(index, vocabulary, users.filter(users.user > 9), *others)


# covers: L30 X11
@pytest.mark.parametrize(
    ("policy", "best", "score"),
    [("learned", 30, 1.0), ("average", 10, 1 / 1.01**0.5), ("popular", 20, 5 / 8)],
)
def test_a_cold_start_user_is_served_by_the_policy(policy, best, score):
    batches = recommend_items(
        *inputs(), parameters(users=[9, 42], cold_start=policy, k=1)
    )
    warm, cold = pa.Table.from_batches(batches).to_pylist()
    assert (warm["user_id"], cold["user_id"]) == (42, 9)
    assert (cold["item_id"], cold["rank"]) == (best, 1)
    assert cold["score"] == pytest.approx(score)


# covers: L30
def test_a_query_that_the_towers_have_not_learned_is_refused():
    data = inputs()
    del data[5]["learned"]
    with pytest.raises(ValueError, match=r"'learned'.*choose average or popular"):
        recommend(*data, user_id=9, cold_start="learned")
    assert recommend(*data, user_id=42, cold_start="learned")


# covers: L30
def test_popular_items_are_sampled_by_their_shares():
    orders = [random_order(temperature=0.05, seed=seed) for seed in range(200)]
    firsts = [
        recommend(user_id=9, cold_start="popular", order=order)[0][2]
        for order in orders
    ]
    shares = [firsts.count(item) / 200 for item in (10, 20, 30)]
    assert shares == pytest.approx([1 / 8, 5 / 8, 2 / 8], abs=0.1)


def test_allowed_and_excluded_items_hold_for_cold_start_users_too():
    cold = {"user_id": 9, "cold_start": "popular"}
    assert [row[2] for row in recommend(**cold, exclude_items=[20])] == [30, 10]
    assert [row[2] for row in recommend(**cold, allow_items=[10])] == [10]


def test_a_missing_id_of_another_type_is_refused():
    whole = "but the ids of the data are whole numbers"
    with pytest.raises(ValueError, match=rf"recommendation.users .*\['x'\], {whole}"):
        recommend(users=["x", 9], cold_start="average")
    with pytest.raises(ValueError, match=rf"recommendation.user_id .*\['x'\], {whole}"):
        recommend(user_id="x", cold_start="average")


def test_a_cold_start_user_of_a_text_id_is_matched_as_text():
    data = inputs(user_ids=("42", "7", "8"))
    rows = recommend(*data, user_id=9, cold_start="average", k=1)
    assert rows == [("9", 1, 10, "Alien")]


# covers: L30
def test_a_random_order_samples_items_by_score():
    assert recommend(order=random_order(temperature=0.01)) == recommend()
    samples = [
        recommend(order=random_order(temperature=9, seed=seed)) for seed in range(20)
    ]
    assert len({tuple(row[2] for row in rows) for rows in samples}) > 10
    for rows in samples:
        assert (42, 10) not in {(row[0], row[2]) for row in rows}  # seen
        assert [row[1] for row in rows] == [1, 2] * 3


@pytest.mark.parametrize("policy", ["average", "popular"])
def test_the_random_list_of_a_cold_start_user_is_independent_of_others(policy):
    options = {"order": random_order(), "cold_start": policy}
    alone = recommend(user_id=9, **options)
    assert alone == recommend(users=[42, 5, 9], **options)[4:]


@pytest.mark.parametrize("text", [False, True])
def test_only_allowed_and_no_excluded_items_are_recommended(text):
    data = inputs(item_ids=("10", "20", "30")) if text else inputs()
    allowed = recommend(*data, allow_items=[30, "20"], user_id=42)
    left = recommend(*data, exclude_items=[20], user_id=42)
    assert [int(row[2]) for row in allowed] == [20, 30]
    assert [int(row[2]) for row in left] == [30]


@pytest.mark.parametrize(
    ("option", "expected"), [("allow_items", [10]), ("exclude_items", [20, 30])]
)
def test_listed_items_that_the_index_lacks_are_counted(option, expected, caplog):
    caplog.set_level(logging.INFO)
    listed = {option: [10, "77", "discontinued"], "filter_seen": False, "k": 3}
    assert sorted({row[2] for row in recommend(**listed)}) == expected
    assert (
        f"2 of 3 items of recommendation.{option} are not in the index: 77, "
        "discontinued; it has for example 10, 20, 30" in caplog.messages
    )


@pytest.mark.parametrize(
    "lists",
    [
        {"allow_items": [77, "x"]},
        {"exclude_items": [10, 20, 30]},
        {"allow_items": [10], "exclude_items": [10]},
    ],
)
def test_lists_that_leave_no_item_are_refused(lists):
    with pytest.raises(ValueError, match="leave none of the index's 3 items"):
        recommend(**lists)


def test_k_is_cut_to_the_index(caplog):
    caplog.set_level(logging.INFO)
    assert recommend(k=10**9) == recommend(k=3)
    assert "recommendation.k is 1000000000: cut to the 3 items of the index" in (
        caplog.messages
    )
    order = random_order(among=10**9)
    assert len(recommend(k=10**9, order=order)) == len(recommend(k=3))


def test_the_lists_of_a_few_listed_users_are_logged(caplog):
    caplog.set_level(logging.INFO)
    recommend(user_id=42)
    lines = caplog.text.splitlines()
    assert lines[lines.index("user 42") :][:6] == [
        "user 42",
        "  rank   score  item  title",
        "     1   0.866  20",
        "        similar to Alien",
        "     2   0.000  30    Casino",
        "        similar to Alien",
    ]


def test_the_lists_of_more_users_are_not_logged(caplog):
    caplog.set_level(logging.INFO)
    recommend(users=[42, 7], logged_users=1)
    assert "Casino" not in caplog.text


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, None),
        ({"user_id": 42}, "hold the 1 listed users alone"),
        ({"users": [42, 7, "7"], "logged_users": 1}, "hold the 2 listed users alone"),
    ],
)
def test_a_table_of_listed_users_alone_is_announced(caplog, options, line):
    caplog.set_level(logging.INFO)
    recommend(**options)
    assert ("alone" in caplog.text) == bool(line)
    assert (line or "") in caplog.text


def test_the_result_is_saved_whole_and_not_batch_by_batch(tmp_path):
    # Kedro saves what a node returns once, unless it is an iterator.
    node = Node(recommend_items, inputs=[*"abcdefgp"], outputs="out")
    values = dict(zip("abcdefgp", (*inputs(), parameters()), strict=True))
    result = node.run(values)["out"]
    assert not isinstance(result, Iterator)
    dataset = ParquetShardsDataset(filepath=str(tmp_path / "recommendations"))
    dataset.save(result)
    assert dataset.manifest()["rows"] == 6


def of_two_interests(cold=None):
    """Users of two vectors, over four items at 0°, 30°, 90° and 80°.

    User 42 looks at 0° and 90° and has seen 30°, 0° and an item that the index lacks;
    user 7 looks at 30° twice and has seen nothing.
    """
    angles = np.deg2rad([0.0, 30.0, 90.0, 80.0])
    items = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    vocabulary = {
        "item_id": [10, 20, 30, 40],
        "title": ["Alien", None, "Casino", "Heat"],
        "n_train": [1, 5, 2, 0],
    }
    histories = {"user_id": [42], "item_ids": [[20, 10, 99]]}
    return (
        bundle_of(items, item_ids=vocabulary["item_id"]),
        ibis.memtable(pa.table(vocabulary)),
        user_embeddings([42, 7], items[[[0, 2], [1, 1]]]).order_by("vector_index"),
        ibis.memtable(pa.table(histories)),
        interactions_of(*histories.values()),
        cold or {"average": [0.0, 1.0]},
        Seen("left_out"),
    )


def explained(*args, **changes):
    """Return (user, item, vector, similar history items) of each row."""
    rows = pa.Table.from_batches(
        recommend_items(*(args or of_two_interests()), parameters(**changes))
    ).to_pylist()
    keys = ("user_id", "item_id", "vector_index", "similar_history_items")
    return [tuple(row[key] for key in keys) for row in rows]


# covers: X6
def test_each_item_has_its_vector_and_the_history_items_nearest_to_it():
    assert explained() == [
        # User 42 has seen the items 20 (30°), 10 (0°) and one that the index lacks.
        (42, 30, 1, [20, 10]),
        (42, 40, 1, [20, 10]),
        (7, 20, 0, []),
        (7, 10, 0, []),
    ]
    # Without the seen filter an item is not explained by itself.
    options = {"filter_seen": False, "similar_history_items": 1, "k": 4}
    assert explained(user_id=42, **options) == [
        (42, 10, 0, [20]),
        (42, 30, 1, [20]),
        (42, 40, 1, [20]),
        (42, 20, 0, [10]),
    ]


def test_items_of_one_vector_have_explanations_of_their_own():
    # Items at 0°, 10°, 80° and 90°; a user at 45° has seen the outer two.
    angles = np.deg2rad([0.0, 10.0, 80.0, 90.0])
    items = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    ids, titles = [1, 2, 3, 4], ["Alien", "Aliens", "Heat", "Casino"]
    vocabulary = pa.table({"item_id": ids, "title": titles, "n_train": ids})
    histories = {"user_id": [42], "item_ids": [[1, 4]]}
    batches = recommend_items(
        bundle_of(items, item_ids=ids),
        ibis.memtable(vocabulary),
        user_embeddings([42], np.float32([[1, 1]])),
        ibis.memtable(pa.table(histories)),
        interactions_of(*histories.values()),
        {},
        Seen("left_out"),
        parameters(similar_history_items=1),
    )
    rows = pa.Table.from_batches(batches).to_pylist()
    keys = ("title", "similar_history_items", "similar_history_titles")
    assert sorted(tuple(row[key] for key in keys) for row in rows) == [
        ("Aliens", [1], ["Alien"]),
        ("Heat", [4], ["Casino"]),
    ]


def test_explanations_may_be_left_out():
    assert {len(row[3]) for row in explained(similar_history_items=0)} == {0}


def test_scores_and_explanations_have_the_columns_they_promise():
    table = pa.Table.from_batches(recommend_items(*of_two_interests(), parameters()))
    assert table.schema.field("vector_index").type == pa.int32()
    similar = table.schema.field("similar_history_items")
    assert similar.type == pa.list_(pa.int64())
    titles = table.schema.field("similar_history_titles")
    assert titles.type == pa.list_(pa.string())
    scores = table.column("score").to_pylist()[:2]
    assert scores == pytest.approx([1.0, np.cos(np.deg2rad(10))])


# covers: X6
def test_a_quota_leaves_ranks_to_the_other_vector():
    # Two items near 90°, nearer than any is to 0°.
    items = [[0.8, 0.6], [0.6, 0.8], [0, 1], [0.1, 0.99**0.5]]
    _, *others = of_two_interests()
    data = bundle_of(np.array(items, np.float32), item_ids=[10, 20, 30, 40]), *others
    options = {"user_id": 42, "filter_seen": False}
    assert [row[1:3] for row in explained(*data, **options)] == [(30, 1), (40, 1)]
    limited = explained(*data, **options, quota=1)
    assert [row[1:3] for row in limited] == [(30, 1), (10, 0)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("average", (9, 30, None, [])),
        ("learned", (9, 30, 1, [])),
        ("popular", (9, 20, None, [])),
    ],
)
def test_the_items_of_a_cold_start_user_have_no_similar_history_items(policy, expected):
    cold = {"average": [0.0, 1.0], "learned": [[1.0, -1.0], [0.0, 1.0]]}
    data = of_two_interests(cold)
    assert explained(*data, user_id=9, cold_start=policy, k=1) == [expected]
    both = explained(*data, users=[42, 9], cold_start=policy, k=1)
    assert [row[0] for row in both] == [42, 9]


def test_the_log_has_the_vector_and_the_similar_history_items_of_each_item(caplog):
    caplog.set_level(logging.INFO)
    recommend(*of_two_interests(), user_id=42, filter_seen=False)
    lines = caplog.text.splitlines()
    assert lines[lines.index("user 42") :][:5] == [
        "user 42",
        "  rank   score  vector  item  title",
        "     1   1.000       0  10    Alien",
        "        similar to 20",
        "     2   1.000       1  30    Casino",
    ]
    recommend(*of_two_interests(), user_id=9, cold_start="popular", k=1)
    assert "     1   0.625       -  20" in caplog.text.splitlines()
    recommend(user_id=9, cold_start="popular", k=1)
    assert "     1   0.625  20" in caplog.text.splitlines()


def test_vectors_of_an_earlier_version_are_refused():
    index, vocabulary, users, *others = inputs()
    older = users.drop("vector_index")
    with pytest.raises(ValueError, match="exported by an earlier version"):
        recommend(index, vocabulary, older, *others, user_id=42)


def test_a_missing_user_is_counted_among_users_and_not_vectors():
    with pytest.raises(ValueError, match=r"the 2 of user_embeddings: 9; .* 42, 7;"):
        recommend(*of_two_interests(), user_id=9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k"),
        ({"quota": 0}, "quota"),
        ({"similar_history_items": -1}, "similar_history_items"),
        ({"users": []}, "users"),
        ({"users": "some"}, "users"),
        ({"allow_items": []}, "allow_items"),
        ({"user_id": True}, "user_id"),  # a bare `on`
        ({"user_id": 1000.0}, "user_id"),  # a bare 1e3
        ({"topk": 3}, "Extra inputs"),
        ({"order": random_order(), "quota": 2}, "'random', which takes no quota"),
        ({"cold_start": "random"}, "'learned', 'average' or 'popular'"),
        ({"order": random_order() | {"kind": "worst"}}, "one of best, random"),
        ({"order": random_order(), "k": 4}, "the best 3 items; raise order.random"),
        ({"order": random_order(temperature=0)}, "temperature"),
    ],
)
def test_parameters_out_of_range_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters(**changes)
