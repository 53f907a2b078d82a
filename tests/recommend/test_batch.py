"""Lists of a stream of users, computed batch by batch."""

import logging
from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa
import pytest

from tests.index.fabricate import (
    annoy_over,
    bundle_of,
    unit_vectors,
    user_embeddings,
    users_of,
)
from two_tower.recommend import batch
from two_tower.recommend.batch import (
    BatchRecommender,
    ColdStartUsers,
    RecommendationOptions,
)
from two_tower.recommend.random_order import BestFirst, RandomOrder
from two_tower.recommend.recommender import Recommender

OPTIONS = RecommendationOptions(
    k=2,
    allow=None,
    exclude=None,
    order=BestFirst(),
    quota=None,
    filter_seen=True,
    n_similar=2,
)
ID_LISTS = pa.list_(pa.int64())
NO_COLD_START_USERS = ColdStartUsers(
    pa.array([], pa.int64()), pa.array([], ID_LISTS), None
)


def batches_of(vectors, histories, *, size=100, recommender=None, cold=None, **options):
    """Return the batches of users 0, 1, …; their vectors are `[n, V, 8]`."""
    n_users, n_vectors, _ = vectors.shape
    table = user_embeddings(list(range(n_users)), vectors).to_pyarrow()
    item_ids = [
        histories[user] if vector == 0 else None
        for user in range(n_users)
        for vector in range(n_vectors)
    ]
    for name in ("item_ids", "seen_ids"):
        table = table.append_column(name, pa.array(item_ids, ID_LISTS))
    return BatchRecommender(
        recommender or Recommender(bundle_of(unit_vectors(30))),
        ibis.memtable(table),
        n_vectors,
        cold or NO_COLD_START_USERS,
        replace(OPTIONS, **options),
        users_per_batch=size,
    )


# covers: X12
@pytest.mark.parametrize(
    ("order", "quota"),
    [(BestFirst(), 4), (RandomOrder(temperature=0.1, among=20, seed=1), None)],
)
@pytest.mark.parametrize(("n_users", "n_vectors"), [(3000, 1), (700, 3)])
def test_small_batches_give_equal_bits(order, quota, n_users, n_vectors):
    items = unit_vectors(300)
    recommender = Recommender(bundle_of(items, index=annoy_over(items)))
    histories = [list(range(100, 100 + i % 50)) for i in range(n_users)]
    one, many = (
        list(
            batches_of(
                users_of(n_users, n_vectors),
                histories,
                size=size,
                recommender=recommender,
                order=order,
                quota=quota,
            )
        )
        for size in (10_000, 300)
    )
    assert len(many) > len(one)
    assert pa.Table.from_batches(one).equals(pa.Table.from_batches(many))


@pytest.mark.parametrize(
    ("n_vectors", "rows"), [(1, [7, 3]), (2, [3, 3, 3, 1]), (9, [1] * 10)]
)
def test_a_batch_has_about_as_many_vectors_whatever_v_is(n_vectors, rows):
    batches = batches_of(users_of(10, n_vectors), [[]] * 10, size=7, k=1)
    assert [batch.num_rows for batch in batches] == rows


@pytest.mark.parametrize("query", [unit_vectors(1)[0], users_of(1, 2)[0], None])
def test_cold_start_users_get_one_list_without_what_each_has_seen(query):
    items = pa.table({"item_id": range(100, 130), "n_train": range(30, 0, -1)})
    recommender = Recommender(bundle_of(unit_vectors(30)), items)
    best = _items_of_cold_start_users(query, [[], [], []], recommender)
    assert best[71] == best[72] == best[73]
    assert len(best[71]) == 2
    seen = [[], [best[71][0], 999], best[71]]
    found = _items_of_cold_start_users(query, seen, recommender)
    assert found[71] == best[71]
    assert found[72][0] == best[71][1]
    assert not set(found[73]) & set(best[71])


def _items_of_cold_start_users(query, seen, recommender):
    ids = pa.array([71, 72, 73])
    cold = ColdStartUsers(ids, pa.array(seen, ID_LISTS), query)
    batches = batches_of(
        users_of(1, 2), [[]], cold=cold, recommender=recommender, size=2
    )
    rows = pa.Table.from_batches(batches).to_pylist()
    return {
        user: [row["item_id"] for row in rows if row["user_id"] == user]
        for user in ids.to_pylist()
    }


@pytest.mark.parametrize("n_users", [1, 2])
def test_a_user_who_lacks_a_vector_is_refused(n_users):
    batches = batches_of(users_of(n_users, 2), [[]] * n_users)
    users = batches.users
    lacking = users.filter((users.user != 2) | (users.vector_index == 0))
    message = rf"1 of {n_users} users do not have the vectors 0 to 1, .*first: 0,"
    with pytest.raises(ValueError, match=message):
        list(replace(batches, users=lacking))


def log_of(caplog, histories, **options):
    caplog.set_level(logging.INFO)
    caplog.clear()
    list(batches_of(users_of(len(histories), 1), histories, **options))
    return caplog.messages


def test_short_and_empty_lists_are_counted_in_the_log_with_their_reasons(caplog):
    two = np.array([0, 1])
    full = "recommended up to 2 items to each of 3 users"
    assert log_of(caplog, [[], [], [101]]) == [full]
    assert log_of(caplog, [[100], [], [101, 100]], allow=two) == [
        full,
        "2 of 3 lists are short, 1 of them empty: the seen filter leaves too few items "
        "to 2 users",
    ]
    assert log_of(caplog, [[], [100], []], allow=two[:1]) == [
        full,
        "3 of 3 lists are short, 1 of them empty: allow_items and exclude_items leave "
        "1 items; the seen filter leaves too few items to 1 users",
    ]


def test_long_lists_make_batches_small(monkeypatch):
    monkeypatch.setattr(batch, "RANKS_PER_BATCH", 60)
    plain = batches_of(users_of(10, 1), [[]] * 10, k=1)
    long = batches_of(users_of(10, 1), [[]] * 10, k=25)
    sampled = RandomOrder(temperature=0.1, among=10**9, seed=1)
    among_all = batches_of(users_of(10, 1), [[]] * 10, order=sampled)
    assert [len(list(one)) for one in (plain, long, among_all)] == [1, 5, 5]


def test_a_user_is_explained_by_the_history_and_not_by_all_that_was_seen():
    batches = batches_of(users_of(1, 1), [[100, 101]])
    users = batches.users.mutate(seen_ids=ibis.literal([100, 101, 102, 103]))
    rows = pa.Table.from_batches(replace(batches, users=users)).to_pylist()
    assert rows[0]["item_id"] not in {100, 101, 102, 103}
    assert set(rows[0]["similar_history_items"]) == {100, 101}
