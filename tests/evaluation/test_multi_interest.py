import json

import ibis
import numpy as np
import pytest

from tests.evaluation.fabricate import MultiVectorWorld, World, interests_of
from tests.metrics import definitions
from two_tower.evaluation import multi_interest, queries
from two_tower.evaluation.multi_interest import ListLengths, describe_user_vectors
from two_tower.index.vectors import read_user_vectors

WORLD = World()
MULTI = MultiVectorWorld()


# covers: A33 X6
def test_each_vector_is_described_by_the_items_nearest_to_it():
    found = interests_of(MULTI)
    assert (found["n_vectors"], found["headline"]) == (3, 5)
    # Three of twelve users, evenly spread.
    assert [user["user_id"] for user in found["users"]] == ["u2", "u6", "u10"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for user, described in zip((0, 4, 8), found["users"], strict=True):
        by_vector = MULTI.scores_by_vector[user]
        nearest, best = by_vector.argmax(axis=0), by_vector.max(axis=0)
        seen = WORLD.seen[user]
        unseen = definitions.ranked_list(best, [], seen)
        assert described["n_seen"] == len(seen)
        shares = [one["share"] for one in described["interests"]]
        assert shares == sorted(shares, reverse=True)
        assert {one["vector_index"] for one in described["interests"]} == {0, 1, 2}
        for interest in described["interests"]:
            vector = interest["vector_index"]
            own = [item for item in unseen if nearest[item] == vector]
            assert interest["share"] == np.mean(nearest[unseen[:5]] == vector)
            of_history = {item for item in seen if nearest[item] == vector}
            near = sorted(of_history, key=lambda item: -by_vector[vector, item])
            for name, expected in (("recommended", own[:3]), ("history", near[:2])):
                titles = [item["title"] for item in interest[name]]
                assert titles == [f"Title {item + 2}" for item in expected]
                scores = [item["score"] for item in interest[name]]
                assert scores == pytest.approx(by_vector[vector, expected], 1e-5, 1e-6)
        assert sum(shares) == pytest.approx(1)


def test_held_out_items_are_listed_with_their_rank_from_one():
    found = interests_of(MULTI, users=12)
    user = found["users"][2]  # of three positives
    assert user["n_held_out"] == 3
    by_vector = MULTI.scores_by_vector[2]
    order = definitions.ranked_list(by_vector.max(axis=0), [3, 8, 29], WORLD.seen[2])
    expected = sorted((order.index(item), item) for item in (3, 8, 29))
    assert [one["item_id"] for one in user["held_out"]] == [
        f"x{item + 2}" for _, item in expected
    ]
    assert [one["rank"] - 1 for one in user["held_out"]] == [r for r, _ in expected]
    assert [one["vector_index"] for one in user["held_out"]] == [
        by_vector[:, item].argmax() for _, item in expected
    ]


@pytest.mark.parametrize(("wanted", "described"), [(0, 0), (5, 5), (99, 12)])
def test_no_more_users_are_described_than_there_are(wanted, described):
    found = interests_of(WORLD, users=wanted)
    assert found["n_vectors"] == 1
    assert len({user["user_id"] for user in found["users"]}) == described


# covers: X6
@pytest.mark.parametrize("size", [5, 12, 100])
def test_all_queries_are_summarised_by_how_their_vectors_share_the_lists(
    size, monkeypatch
):
    monkeypatch.setattr(multi_interest, "QUERIES_PER_SEARCH", size)
    use = interests_of(MULTI)["all_queries"]
    lists = []
    for user in range(12):
        by_vector = MULTI.scores_by_vector[user]
        unseen = definitions.ranked_list(MULTI.scores[user], [], WORLD.seen[user])
        lists.append(by_vector.argmax(axis=0)[unseen[:5]])
    assert use["n_queries"] == 12
    expected = np.bincount(np.concatenate(lists), minlength=3) / 60
    assert use["shares"] == pytest.approx(expected)
    n_used = [len(set(vectors)) for vectors in lists]
    assert use["queries_by_vectors"] == [n_used.count(n) for n in (1, 2, 3)]
    cosines = [
        user[one] @ user[other]
        for user in MULTI.queries.astype(float)
        for one, other in ((0, 1), (0, 2), (1, 2))
    ]
    assert use["mean_cosine"] == pytest.approx(np.mean(cosines))


def test_without_sample_users_or_several_vectors_all_queries_are_not_read(monkeypatch):
    monkeypatch.setattr(multi_interest, "stream_queries", None)
    assert interests_of(WORLD)["all_queries"] is None
    no_users = interests_of(MULTI, users=0)
    assert (no_users["all_queries"], no_users["users"]) == (None, [])


def test_only_the_vectors_of_the_sample_users_are_held_at_once(monkeypatch):
    n_rows = []

    def spy(table):
        found = read_user_vectors(table)
        n_rows.append(len(found.users))
        return found

    monkeypatch.setattr(queries, "read_user_vectors", spy)
    interests_of(WORLD)
    assert n_rows == [3]


def describe(world, **changes):
    tables = {
        "test_queries": world.test_queries,
        "test_examples": world.test_examples,
        "bundle": world.item_index,
        "item_vocabulary": world.item_vocabulary,
    }
    lengths = ListLengths(history=2, recommended=3, headline=5)
    return describe_user_vectors(
        **(tables | changes), seen="left_out", n_users=3, lengths=lengths
    )


def test_titles_of_another_vocabulary_are_refused():
    with pytest.raises(ValueError, match="item_index holds 31 items"):
        describe(WORLD, bundle=World(n_items=31).item_index)


def test_queries_of_other_users_than_the_examples_are_refused():
    fewer = MULTI.test_examples.filter(ibis._.user != 4)
    with pytest.raises(ValueError, match="12 users and test_examples 11"):
        describe(MULTI, test_examples=fewer)
