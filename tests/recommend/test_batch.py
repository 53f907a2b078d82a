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
NO_COLD_START_USERS = ColdStartUsers(pa.array([], pa.int64()), None)


def batches_of(vectors, histories, *, size=100, recommender=None, cold=None, **options):
    """Return the batches of users 0, 1, …; their vectors are `[n, V, 8]`."""
    n_users, n_vectors, _ = vectors.shape
    users = user_embeddings(list(range(n_users)), vectors)
    item_ids = [
        histories[user] if vector == 0 else None
        for user in range(n_users)
        for vector in range(n_vectors)
    ]
    table = users.to_pyarrow().append_column(
        "item_ids", pa.array(item_ids, pa.list_(pa.int64()))
    )
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


@pytest.mark.parametrize("query", [unit_vectors(1)[0], users_of(1, 2)[0]])
def test_cold_start_users_share_one_search(query, monkeypatch):
    n_queries = []
    search = Recommender.recommend

    def counted(self, queries, *args, **options):
        n_queries.append(len(queries))
        return search(self, queries, *args, **options)

    monkeypatch.setattr(Recommender, "recommend", counted)
    cold = ColdStartUsers(pa.array([71, 72, 73]), query)
    batches = batches_of(users_of(1, 2), [[]], cold=cold)
    rows = pa.Table.from_batches(batches).to_pylist()
    assert n_queries == [1, 1]
    lists = [
        [(row["item_id"], row["score"]) for row in rows if row["user_id"] == user]
        for user in (71, 72, 73)
    ]
    assert lists[0] == lists[1] == lists[2] != []


@pytest.mark.parametrize("n_users", [1, 2])
def test_a_user_who_lacks_a_vector_is_refused(n_users):
    batches = batches_of(users_of(n_users, 2), [[]] * n_users)
    users = batches.users
    lacking = users.filter((users.user != 2) | (users.vector_index == 0))
    message = rf"1 of {n_users} users do not have the vectors 0 to 1, .*first: 0,"
    with pytest.raises(ValueError, match=message):
        list(replace(batches, users=lacking))


def test_lists_that_are_short_of_allowed_items_are_counted_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    allow = np.array([0, 1])
    list(batches_of(users_of(3, 1), [[100], [], [101]], allow=allow))
    assert "recommended 2 items to each of 3 users" in caplog.text
    assert "2 users have fewer" in caplog.text
