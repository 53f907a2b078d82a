import logging
from collections.abc import Iterator

import ibis
import numpy as np
import pyarrow as pa
import pytest
from kedro.pipeline import Node
from pydantic import ValidationError

from tests.index.fabricate import annoy_over, bundle_of, unit_vectors
from two_tower.datasets.parquet_shards import ParquetShardsDataset
from two_tower.pipelines.recommendation.nodes import recommend_items
from two_tower.pipelines.recommendation.params import Recommendation
from two_tower.query_vectors import with_vector_axis
from two_tower.recommend.recommender import Recommender

SETTINGS = {
    "k": 2,
    "users": "all",
    "user_id": None,
    "cold_start": "refuse",
    "order": "best",
    "drawn": {"temperature": 1.0, "among": 3, "seed": 1},
    "quota": None,
    "because": 2,
    "filter_seen": True,
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


def embeddings(user_ids, vectors):
    """Users from 2 on, with one vector each or, of `[n, V, D]`, several."""
    by_vector = with_vector_axis(np.asarray(vectors))
    n_users, n_vectors, _ = by_vector.shape
    lists = [vector.tolist() for user in by_vector for vector in user]
    columns = {
        "user": np.repeat(np.arange(2, n_users + 2, dtype=np.int32), n_vectors),
        "user_id": [one for one in user_ids for _ in range(n_vectors)],
        "vector_index": np.tile(np.arange(n_vectors, dtype=np.int32), n_users),
        "vector": pa.array(lists, pa.list_(pa.float32())),
    }
    return ibis.memtable(pa.table(columns))


def inputs(item_ids=(10, 20, 30), user_ids=(42, 7, 8), seen=((10,), (), (99, 30))):
    """Return the node's inputs; 99 has left the catalogue since user 8 saw it."""
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
        embeddings(list(user_ids), USERS).order_by(ibis.desc("user")),
        ibis.memtable(pa.table(history)).order_by(ibis.desc("user_id")),
        {"learned": [0.0, 1.0], "average": [1.0, 0.1]},
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


def test_seen_items_are_shown_when_asked_for():
    assert recommend(filter_seen=False, k=1) == [
        (42, 1, 10, "Alien"),
        (7, 1, 10, "Alien"),
        (8, 1, 30, "Casino"),
    ]


def test_a_user_without_a_history_has_seen_nothing():
    index, vocabulary, users, histories, cold = inputs()
    others = histories.filter(histories.user_id != 42)
    assert recommend(index, vocabulary, users, others, cold, k=1, user_id=42) == [
        (42, 1, 10, "Alien")
    ]


@pytest.mark.parametrize("listed", [{"user_id": 7}, {"users": [7]}, {"users": ["7"]}])
def test_one_user_alone_gets_the_same_as_among_all(listed):
    assert recommend(**listed) == [row for row in recommend() if row[0] == 7]


def test_a_number_on_the_command_line_finds_a_user_whose_id_is_text():
    data = inputs(user_ids=("42", "7", "8"), item_ids=("a", "b", "c"))
    assert recommend(*data, user_id=7, k=1) == [("7", 1, "a", "Alien")]


# What --params makes of a bare 00042 and of a quoted one.
@pytest.mark.parametrize(("asked", "is_hinted"), [(34, True), ("00043", False)])
def test_an_unknown_number_among_text_ids_is_told_of_quotes(asked, is_hinted):
    data = inputs(user_ids=("00042", "00007", "x"))
    with pytest.raises(ValueError, match=f"unknown: {asked}; ") as caught:
        recommend(*data, user_id=asked)
    assert ("text ids that look like numbers go in quotes" in str(caught.value)) == (
        is_hinted
    )


def test_a_text_id_with_leading_zeros_is_found_as_text():
    data = inputs(user_ids=("34", "00042", "42"))
    assert {row[0] for row in recommend(*data, user_id="00042")} == {"00042"}


def test_several_users_come_in_the_order_of_the_table():
    assert [row[0] for row in recommend(users=[8, 42, 8], k=1)] == [42, 8]


# covers: L29
def test_an_unknown_user_is_named_with_examples_of_known_ones():
    with pytest.raises(ValueError, match=r"unknown: 9; .* 3 users, .* 42, 7, 8"):
        recommend(user_id=9)
    with pytest.raises(ValueError, match="2 of 3 users asked for are unknown: 5, x"):
        recommend(users=[5, 42, "x"])


def test_no_users_at_all_are_refused():
    index, vocabulary, users, histories, cold = inputs()
    with pytest.raises(ValueError, match="user_embeddings is empty"):
        recommend(index, vocabulary, users.filter(users.user > 9), histories, cold)


# covers: L30 X11
@pytest.mark.parametrize(
    ("policy", "best", "score"),
    [("learned", 30, 1.0), ("average", 10, 1 / 1.01**0.5), ("popular", 20, 5 / 8)],
)
def test_an_unknown_user_is_served_by_the_cold_start(policy, best, score):
    batches = recommend_items(
        *inputs(), parameters(users=[9, 42], cold_start=policy, k=1)
    )
    known, unknown = pa.Table.from_batches(batches).to_pylist()
    assert (known["user_id"], unknown["user_id"]) == (42, 9)
    assert (unknown["item_id"], unknown["rank"]) == (best, 1)
    assert unknown["score"] == pytest.approx(score)


# covers: L30
def test_a_query_that_the_towers_have_not_learned_is_refused():
    *data, cold = inputs()
    del cold["learned"]
    with pytest.raises(ValueError, match=r"'learned'.*choose average or popular"):
        recommend(*data, cold, user_id=9, cold_start="learned")
    assert recommend(*data, cold, user_id=42, cold_start="learned")


# covers: L30
def test_popular_items_are_drawn_by_their_shares():
    drawn = {"temperature": 0.05, "among": 3}
    firsts = [
        recommend(
            user_id=9, cold_start="popular", order="drawn", drawn=drawn | {"seed": seed}
        )[0][2]
        for seed in range(200)
    ]
    shares = [firsts.count(item) / 200 for item in (10, 20, 30)]
    assert shares == pytest.approx([1 / 8, 5 / 8, 2 / 8], abs=0.1)


def test_allowed_and_excluded_items_hold_for_unknown_users_too():
    asked = {"user_id": 9, "cold_start": "popular"}
    assert [row[2] for row in recommend(**asked, exclude_items=[20])] == [30, 10]
    assert [row[2] for row in recommend(**asked, allow_items=[10])] == [10]


def test_an_unknown_id_of_another_type_is_refused():
    whole = "but ids are whole numbers here"
    with pytest.raises(ValueError, match=rf"recommendation.users .*\['x'\], {whole}"):
        recommend(users=["x", 9], cold_start="average")
    with pytest.raises(ValueError, match=rf"recommendation.user_id .*\['x'\], {whole}"):
        recommend(user_id="x", cold_start="average")
    with pytest.raises(ValueError, match=rf"allow_items names \['zz'\], {whole}"):
        recommend(allow_items=[10, "zz"])


def test_a_text_id_is_served_as_it_reads():
    data = inputs(user_ids=("42", "7", "8"))
    rows = recommend(*data, user_id=9, cold_start="average", k=1)
    assert rows == [("9", 1, 10, "Alien")]


# covers: L30
def test_items_are_drawn_by_score_when_asked_for():
    drawn = {"temperature": 0.01, "among": 3, "seed": 1}
    assert recommend(order="drawn", drawn=drawn) == recommend()
    warm = [
        recommend(order="drawn", drawn={"temperature": 9, "among": 3, "seed": seed})
        for seed in range(20)
    ]
    assert len({tuple(row[2] for row in rows) for rows in warm}) > 10
    for rows in warm:
        assert (42, 10) not in {(row[0], row[2]) for row in rows}  # seen
        assert [row[1] for row in rows] == [1, 2] * 3


@pytest.mark.parametrize("policy", ["average", "popular"])
def test_an_unknown_user_draws_the_same_whoever_is_asked_for(policy):
    asked = {"order": "drawn", "cold_start": policy}
    alone = recommend(user_id=9, **asked)
    assert alone == recommend(users=[42, 5, 9], **asked)[4:]


@pytest.mark.parametrize("text", [False, True])
def test_lists_of_allowed_and_excluded_items_are_kept_to(text):
    data = inputs(item_ids=("10", "20", "30")) if text else inputs()
    allowed = recommend(*data, allow_items=[30, "20"], user_id=42)
    left = recommend(*data, exclude_items=[20], user_id=42)
    assert [int(row[2]) for row in allowed] == [20, 30]
    assert [int(row[2]) for row in left] == [30]


@pytest.mark.parametrize("option", ["allow_items", "exclude_items"])
def test_an_unknown_item_in_a_list_is_named(option):
    with pytest.raises(ValueError, match=r"1 of 2 items .*\[77\]"):
        recommend(**{option: [10, "77"]})


def test_a_few_named_users_see_their_lists_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    recommend(user_id=42)
    lines = caplog.text.splitlines()
    assert lines[lines.index("user 42") :][:5] == [
        "user 42",
        "  near: Alien",
        "  rank   score  item  title",
        "     1   0.866  20",
        "     2   0.000  30    Casino",
    ]


def test_more_users_than_that_are_not_logged(caplog):
    caplog.set_level(logging.INFO)
    recommend(users=[42, 7], logged_users=1)
    assert "Casino" not in caplog.text


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({}, None),
        ({"user_id": 42}, "hold the users asked for alone, 1 of them"),
        ({"users": [42, 7, "7"], "logged_users": 1}, "asked for alone, 2 of them"),
    ],
)
def test_a_table_of_some_users_alone_is_announced(caplog, asked, line):
    caplog.set_level(logging.INFO)
    recommend(**asked)
    assert ("alone" in caplog.text) == bool(line)
    assert (line or "") in caplog.text


def test_users_for_whom_too_few_items_are_left_are_counted_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    recommend(k=3)
    assert "recommended 3 items to each of 3 users" in caplog.text
    assert "2 of them get fewer" in caplog.text  # 42 and 8 have seen one of the three


def test_the_result_is_saved_whole_and_not_batch_by_batch(tmp_path):
    # Kedro saves what a node returns once, unless it is an iterator.
    node = Node(recommend_items, inputs=[*"abcdep"], outputs="out")
    values = dict(zip("abcdep", (*inputs(), parameters()), strict=True))
    result = node.run(values)["out"]
    assert not isinstance(result, Iterator)
    dataset = ParquetShardsDataset(filepath=str(tmp_path / "recommendations"))
    dataset.save(result)
    assert dataset.manifest()["rows"] == 6


# covers: X12
@pytest.mark.parametrize("order", ["best", "drawn"])
@pytest.mark.parametrize(("n_users", "n_vectors"), [(3000, 1), (700, 3)])
def test_small_batches_give_the_same_rows_to_the_bit(order, n_users, n_vectors):
    items, vectors = unit_vectors(300), unit_vectors(n_users * n_vectors, seed=1)
    vectors = vectors.reshape(n_users, n_vectors, -1)
    ids = list(range(n_users))
    seen = pa.array([list(range(i % 50)) for i in ids])
    vocabulary = {
        "item_id": list(range(300)),
        "title": ["t"] * 300,
        "n_train": [1] * 300,
    }
    data = (
        bundle_of(items, item_ids=list(range(300)), index=annoy_over(items)),
        ibis.memtable(pa.table(vocabulary)),
        embeddings(ids, vectors),
        ibis.memtable(pa.table({"user_id": ids, "item_ids": seen})),
        {},
    )
    drawn = {"temperature": 0.1, "among": 20, "seed": 1}
    one, many = (
        list(
            recommend_items(
                *data,
                parameters(
                    users_per_batch=size,
                    order=order,
                    drawn=drawn,
                    quota=4 if order == "best" else None,
                ),
            )
        )
        for size in (10_000, 300)
    )
    assert len(many) > len(one)
    assert pa.Table.from_batches(one).equals(pa.Table.from_batches(many))


def of_two_interests(cold=None):
    """Users of two vectors, over four items at 0°, 30°, 90° and 80°.

    42 looks at 0° and 90° and has seen 30°, 0° (and an item that is gone); 7 looks at
    30° twice and has seen nothing.
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
        embeddings([42, 7], items[[[0, 2], [1, 1]]]).order_by("vector_index"),
        ibis.memtable(pa.table(histories)),
        cold or {"average": [0.0, 1.0]},
    )


def explained(*args, **changes):
    """Return (user, item, vector, because) of each row."""
    rows = pa.Table.from_batches(
        recommend_items(*(args or of_two_interests()), parameters(**changes))
    ).to_pylist()
    keys = ("user_id", "item_id", "vector_index", "because")
    return [tuple(row[key] for key in keys) for row in rows]


# covers: X6
def test_each_item_says_which_vector_found_it_and_what_of_the_history_that_is_near():
    assert explained() == [
        # 20, at 30°, and 10 belong to the vector at 0° both.
        (42, 30, 1, []),
        (42, 40, 1, []),
        (7, 20, 0, []),
        (7, 10, 0, []),
    ]
    # What has been seen may be shown, and is still what a vector is near to.
    assert explained(user_id=42, filter_seen=False, because=1, k=3) == [
        (42, 10, 0, [10]),
        (42, 30, 1, []),
        (42, 40, 1, []),
    ]


def test_reasons_may_be_left_out():
    assert {len(row[3]) for row in explained(because=0)} == {0}


def test_scores_and_reasons_have_the_columns_they_promise():
    table = pa.Table.from_batches(recommend_items(*of_two_interests(), parameters()))
    assert table.schema.field("vector_index").type == pa.int32()
    assert table.schema.field("because").type == pa.list_(pa.int64())
    scores = table.column("score").to_pylist()[:2]
    assert scores == pytest.approx([1.0, np.cos(np.deg2rad(10))])


# covers: X6
def test_a_quota_leaves_places_to_the_other_vector():
    # Two items near 90°, nearer than any is to 0°.
    items = [[0.8, 0.6], [0.6, 0.8], [0, 1], [0.1, 0.99**0.5]]
    _, *others = of_two_interests()
    data = bundle_of(np.array(items, np.float32), item_ids=[10, 20, 30, 40]), *others
    asked = {"user_id": 42, "filter_seen": False}
    assert [row[1:3] for row in explained(*data, **asked)] == [(30, 1), (40, 1)]
    limited = explained(*data, **asked, quota=1)
    assert [row[1:3] for row in limited] == [(30, 1), (10, 0)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("average", (9, 30, None, [])),
        ("learned", (9, 30, 1, [])),
        ("popular", (9, 20, None, [])),
    ],
)
def test_an_unknown_user_has_nothing_to_be_explained_by(policy, expected):
    cold = {"average": [0.0, 1.0], "learned": [[1.0, -1.0], [0.0, 1.0]]}
    data = of_two_interests(cold)
    assert explained(*data, user_id=9, cold_start=policy, k=1) == [expected]
    both = explained(*data, users=[42, 9], cold_start=policy, k=1)
    assert [row[0] for row in both] == [42, 9]


def test_the_log_tells_what_each_vector_is_near_to(caplog):
    caplog.set_level(logging.INFO)
    recommend(*of_two_interests(), user_id=42, filter_seen=False)
    lines = caplog.text.splitlines()
    assert lines[lines.index("user 42") :][:4] == [
        "user 42",
        "  vector 0 is near Alien, 20",
        "  rank   score  vector  item  title",
        "     1   1.000       0  10    Alien",
    ]
    recommend(*of_two_interests(), user_id=9, cold_start="popular", k=1)
    assert "     1   0.625       -  20" in caplog.text.splitlines()
    recommend(user_id=9, cold_start="popular", k=1)
    assert "     1   0.625  20" in caplog.text.splitlines()


@pytest.mark.parametrize(
    ("n_vectors", "pieces"), [(1, [7, 3]), (2, [3, 3, 3, 1]), (9, [1] * 10)]
)
def test_a_batch_has_about_as_many_vectors_whatever_v_is(n_vectors, pieces):
    index, vocabulary, _, histories, cold = inputs()
    vectors = unit_vectors(10 * n_vectors, 2, seed=1).reshape(10, n_vectors, 2)
    users = embeddings(list(range(10)), vectors)
    asked = parameters(users_per_batch=7, k=1)
    batches = recommend_items(index, vocabulary, users, histories, cold, asked)
    assert [batch.num_rows for batch in batches] == pieces


@pytest.mark.parametrize("policy", ["average", "learned"])
def test_unknown_users_who_ask_the_same_are_searched_for_once(policy, monkeypatch):
    n_queries = []
    search = Recommender.recommend

    def counted(self, queries, *args, **options):
        n_queries.append(len(queries))
        return search(self, queries, *args, **options)

    monkeypatch.setattr(Recommender, "recommend", counted)
    data = of_two_interests({policy: [[1.0, -1.0], [0.0, 1.0]]})
    rows = explained(*data, users=[7, 1, 2, 3], cold_start=policy, logged_users=0)
    assert n_queries == [1, 1]
    lists = [[row[1:] for row in rows if row[0] == user] for user in (1, 2, 3)]
    assert lists[0] == lists[1] == lists[2] != []


def test_vectors_of_an_earlier_version_are_refused():
    index, vocabulary, users, histories, cold = inputs()
    older = users.drop("vector_index")
    with pytest.raises(ValueError, match="exported by an earlier version"):
        recommend(index, vocabulary, older, histories, cold, user_id=42)


def test_a_batch_whose_users_all_lack_a_vector_is_refused():
    data = list(of_two_interests())
    data[2] = data[2].filter((ibis._.user != 2) | (ibis._.vector_index == 0))
    with pytest.raises(ValueError, match="do not have the vectors 0 to 1"):
        recommend(*data, users=[42])


def test_a_user_who_lacks_a_vector_is_refused():
    data = list(of_two_interests())
    data[2] = data[2].filter((ibis._.user != 3) | (ibis._.vector_index == 0))
    with pytest.raises(ValueError, match=r"1 of 2 users .*first: 7"):
        recommend(*data)


def test_an_unknown_user_is_counted_among_users_and_not_their_vectors():
    with pytest.raises(ValueError, match=r"unknown: 9; .* 2 users, .* 42, 7;"):
        recommend(*of_two_interests(), user_id=9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k"),
        ({"quota": 0}, "quota"),
        ({"because": -1}, "because"),
        ({"users": []}, "users"),
        ({"users": "some"}, "users"),
        ({"allow_items": []}, "allow_items"),
        ({"user_id": True}, "user_id"),  # a bare `on`
        ({"user_id": 1000.0}, "user_id"),  # a bare 1e3
        ({"topk": 3}, "Extra inputs"),
        ({"order": "drawn", "quota": 2}, "quota to null or order to best"),
        ({"cold_start": "random"}, "'learned', 'average' or 'popular'"),
        ({"order": "random"}, "'best' or 'drawn'"),
        ({"order": "drawn", "k": 4}, "drawn among the best 3; raise drawn.among"),
        ({"drawn": {"temperature": 0, "among": 3, "seed": 1}}, "temperature"),
    ],
)
def test_parameters_out_of_range_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters(**changes)
