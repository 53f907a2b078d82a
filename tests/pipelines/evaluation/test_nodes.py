import json
import logging
import math
import warnings
from functools import cached_property

import ibis
import numpy as np
import pytest

from tests.evaluation.fabricate import (
    World,
    WorldOfInterests,
    baseline_tables,
    cold_ranks,
    interests_of,
    metrics_of,
    model_tables,
    parameters,
)
from tests.metrics import definitions
from two_tower.evaluation import multi_interest as vector_use
from two_tower.evaluation.plots import plot_slices
from two_tower.evaluation.report import format_report
from two_tower.index.vectors import read_user_vectors
from two_tower.pipelines.evaluation.nodes import (
    describe_interests,
    rank_among_cold_items,
    rank_by_baselines,
    rank_by_two_tower,
)

WORLD = World()
INTERESTS = interests_of(WORLD)
OF_INTERESTS = WorldOfInterests()


@pytest.fixture(scope="module")
def metrics():
    return metrics_of(WORLD)


def expected_ranks(scores):
    """Ranks of each user's distinct positives, by the definition."""
    return [
        definitions.ranks(row, sorted(set(targets)), seen)
        for row, targets, seen in zip(scores, WORLD.targets, WORLD.seen, strict=True)
    ]


def two_tower_scores():
    return WORLD.queries.astype(float) @ WORLD.vectors.astype(float).T


def popularity_scores():
    return np.tile(WORLD.n_train, (WORLD.n_users, 1))


def ease_scores():
    """EASE item by item, as a ridge regression on the other items, in float64."""
    training = np.zeros((WORLD.n_users, WORLD.n_items))
    queries = np.zeros_like(training)
    for user in range(WORLD.n_users):
        training[user, WORLD.training[user]] = 1
        queries[user, WORLD.seen[user]] = 1
    weights = np.zeros((WORLD.n_items, WORLD.n_items))
    for item in range(WORLD.n_items):
        others = np.delete(np.arange(WORLD.n_items), item)
        x = training[:, others]
        gram = x.T @ x + 2.0 * np.eye(len(others))
        weights[others, item] = np.linalg.solve(gram, x.T @ training[:, item])
    # Rounded, so that equal scores are equal in the last bit as well.
    return (queries @ weights).round(6)


# covers: N8 N11 N14
@pytest.mark.parametrize(
    ("family", "name", "scores"),
    [
        ("two_tower", "exact", two_tower_scores),
        ("two_tower", "index", two_tower_scores),
        ("baselines", "popularity", popularity_scores),
        ("baselines", "ease", ease_scores),
    ],
)
def test_figures_follow_their_definition(metrics, family, name, scores):
    ranks = expected_ranks(scores())
    found = metrics[family][name]
    for k in (1, 5, 10):
        hit = np.mean([min(row) < k for row in ranks])
        recall = np.mean([definitions.recall(row, k) for row in ranks])
        ndcg = np.mean([definitions.ndcg(row, k) for row in ranks])
        assert found[f"hr@{k}"] == pytest.approx(hit)
        assert found[f"recall@{k}"] == pytest.approx(recall)
        assert found[f"ndcg@{k}"] == pytest.approx(ndcg)
    # The index serves ten items; beyond them it has no rank.
    cut = 10 if name == "index" else 30
    reciprocal = [
        definitions.reciprocal_rank(row) if min(row) < cut else 0 for row in ranks
    ]
    assert found["mrr"] == pytest.approx(np.mean(reciprocal))


def test_figures_of_lists_follow_their_definition(metrics):
    scores = two_tower_scores()
    shown = [
        definitions.ranked_list(row, [], seen)[:5]
        for row, seen in zip(scores, WORLD.seen, strict=True)
    ]
    flat = np.concatenate(shown)
    share = (WORLD.n_train + 1) / (WORLD.n_train + 1).sum()
    found = metrics["two_tower"]["exact"]
    assert found["coverage@5"] == pytest.approx(len(set(flat)) / 30)
    assert found["novelty@5"] == pytest.approx(-np.log2(share[flat]).mean())
    fewer = [(WORLD.n_train < WORLD.n_train[item]).mean() for item in flat]
    as_many = [(WORLD.n_train == WORLD.n_train[item]).mean() for item in flat]
    expected = np.mean(fewer) + np.mean(as_many) / 2
    assert found["popularity@5"] == pytest.approx(expected)


def test_metrics_have_the_agreed_shape_and_are_json(metrics):
    assert list(metrics) == [
        "protocol",
        "two_tower",
        "baselines",
        "intervals",
        "slices",
        "among_cold_items",
    ]
    assert list(metrics["two_tower"]) == ["exact", "index"]
    assert list(metrics["baselines"]) == ["popularity", "ease"]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_the_protocol_says_what_was_compared(metrics):
    protocol = metrics["protocol"]
    assert protocol["n_queries"] == 12
    assert protocol["n_positives"] == 14  # user 2 has three, one of them given twice
    assert protocol["n_items"] == 30
    assert protocol["refit"] is False
    for words in ("small world", "leave_one_out", "all 30 items", "worst rank"):
        assert words in protocol["in_words"]


# covers: X8
def test_intervals_hold_the_figures_and_their_differences(metrics):
    intervals = metrics["intervals"]
    exact, ease = metrics["two_tower"]["exact"], metrics["baselines"]["ease"]
    assert intervals["two_tower"]["ndcg@10"]["mean"] == pytest.approx(exact["ndcg@10"])
    over = intervals["over_ease"]["hr@10"]
    assert over["mean"] == pytest.approx(exact["hr@10"] - ease["hr@10"])
    assert over["low"] < over["mean"] < over["high"]
    lost = intervals["lost_through_index"]["hr@10"]
    assert (lost["low"], lost["mean"], lost["high"]) == (0, 0, 0)
    # An index that finds all loses what lies beyond its list.
    index = metrics["two_tower"]["index"]
    lost = intervals["lost_through_index"]["mrr"]
    assert lost["mean"] == pytest.approx(exact["mrr"] - index["mrr"])
    assert lost["mean"] > 0


# covers: X8
def test_slices_count_each_positive_once(metrics):
    for slices in metrics["slices"].values():
        assert sum(one["n_positives"] for one in slices.values()) == 14
    lengths = metrics["slices"]["history_length"]
    assert lengths["0"]["n_queries"] == 1
    n_cold = sum((WORLD.n_train[row] == 0).any() for row in WORLD.targets)
    assert metrics["slices"]["item_coldness"]["cold"]["n_queries"] == n_cold
    # Of the users, training has never met the first alone.
    assert metrics["slices"]["user_coldness"]["cold"]["n_queries"] == 1


def test_a_slice_measures_its_positives_alone(metrics):
    # Of user 2's three positives one is cold: it alone counts.
    scores, n_train = two_tower_scores(), WORLD.n_train
    assert sorted(n_train[[3, 8, 29]] == 0) == [False, False, True]
    ranks = []
    for user, targets in enumerate(WORLD.targets):
        order = definitions.ranked_list(scores[user], targets, WORLD.seen[user])
        cold = [order.index(item) for item in set(targets) if not n_train[item]]
        ranks.extend([cold] if cold else [])
    found = metrics["slices"]["item_coldness"]["cold"]["exact"]
    assert found["mrr"] == pytest.approx(
        np.mean([definitions.reciprocal_rank(row) for row in ranks])
    )


def cold_positives():
    """Each query's cold positives, in the world's numbering, where it has any."""
    cold = [
        sorted({item for item in row if not WORLD.n_train[item]})
        for row in WORLD.targets
    ]
    return {user: row for user, row in enumerate(cold) if row}


# covers: X11
def test_cold_items_are_also_ranked_among_themselves(metrics):
    items = np.flatnonzero(WORLD.n_train == 0)
    scores = two_tower_scores()[:, items]
    ranks, lengths = [], []
    for user, positives in cold_positives().items():
        targets = np.searchsorted(items, positives)
        seen = [
            np.searchsorted(items, item) for item in WORLD.seen[user] if item in items
        ]
        ranks.append(definitions.ranks(scores[user], targets, seen))
        lengths.append(len(definitions.ranked_list(scores[user], targets, seen)))
    found = metrics["among_cold_items"]
    assert found["n_queries"] == len(ranks) > 2
    assert found["n_candidates"] == pytest.approx(np.mean(lengths))
    for k in (1, 5, 10):
        ndcg = np.mean([definitions.ndcg(row, k) for row in ranks])
        assert found["exact"][f"ndcg@{k}"] == pytest.approx(ndcg)
        hit = np.mean([min(row) < k for row in ranks])
        assert found["exact"][f"hr@{k}"] == pytest.approx(hit)


# covers: X11
def test_cold_items_stand_beside_what_a_random_order_would_reach(metrics):
    miss = []
    for user, positives in cold_positives().items():
        hidden = set(WORLD.seen[user]) - set(WORLD.targets[user])
        n, p = WORLD.n_items - len(hidden), len(positives)
        miss.append(math.comb(n - p, 5) / math.comb(n, 5))
    found = metrics["slices"]["item_coldness"]["cold"]
    assert found["random"]["hr@5"] == pytest.approx(1 - np.mean(miss))
    over = metrics["intervals"]["cold_items"]["over_random"]["hr@5"]
    expected = found["exact"]["hr@5"] - found["random"]["hr@5"]
    assert over["mean"] == pytest.approx(expected)


# covers: X11
def test_users_that_training_never_met_are_measured_apart(metrics):
    (first, *_) = WORLD.targets
    (rank,) = definitions.ranks(two_tower_scores()[0], first, [])
    found = metrics["slices"]["user_coldness"]["cold"]
    assert (found["n_positives"], found["n_candidates"]) == (1, 30)
    assert found["exact"]["mrr"] == pytest.approx(1 / (rank + 1))
    assert found["random"]["hr@5"] == pytest.approx(5 / 30)


class WarmWorld(World):
    """Each item has been met in training."""

    @cached_property
    def n_train(self):
        return np.maximum(super().n_train, 1)


def test_without_cold_items_there_is_nothing_to_tell_of_them():
    ranks = cold_ranks(WarmWorld())
    assert ranks.num_rows == 0
    assert ranks.column_names == ["user", "item", "n_candidates", "exact"]
    found = metrics_of(WarmWorld())
    assert found["slices"]["item_coldness"]["cold"]["n_queries"] == 0
    assert found["among_cold_items"] == {"n_queries": 0, "n_positives": 0}
    assert "cold_items" not in found["intervals"]
    assert "no positive is among them" in format_report(found, INTERESTS)


class NewItemsWorld(World):
    """The last five items were held out whole; histories hold training items alone."""

    @cached_property
    def seen(self):
        return self.training

    @cached_property
    def targets(self):
        return [sorted({25 + user % 5, 29}) for user in range(self.n_users)]


# covers: X11
def test_where_whole_items_are_held_out_all_rankings_are_measured_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # as NumPy gives them
        metrics = metrics_of(NewItemsWorld())
        report = format_report(metrics, INTERESTS)
        plot_slices(metrics)
    cold = metrics["slices"]["item_coldness"]["cold"]
    assert cold["n_positives"] == metrics["protocol"]["n_positives"]
    assert metrics["slices"]["item_coldness"]["warm"]["n_queries"] == 0
    # No baseline can tell them apart, and equal scores take the last ranks.
    assert cold["popularity"]["hr@10"] == cold["ease"]["hr@10"] == 0
    assert cold["random"]["hr@10"] > 0
    assert "| two-tower, exact, times random |" in report


def test_items_of_another_vocabulary_are_refused():
    with pytest.raises(ValueError, match="item_embeddings holds 31 items"):
        rank_among_cold_items(
            WORLD.test_queries,
            WORLD.test_examples,
            World(n_items=31).item_embeddings,
            WORLD.item_vocabulary,
            parameters(),
        )


def test_above_its_size_ease_is_skipped_and_that_is_said():
    small = {"l2": 2.0, "max_items": 29}
    metrics = metrics_of(WORLD, ease=small)
    assert "30 items" in metrics["baselines"]["ease"]["skipped"]
    assert "over_ease" not in metrics["intervals"]
    assert "hr@5" in metrics["baselines"]["popularity"]


def test_the_headline_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="two_tower"):
        metrics = metrics_of(WORLD)
    hit_rate = metrics["two_tower"]["exact"]["hr@5"]
    assert f"HR@5 / NDCG@5: two-tower, exact {hit_rate:.4f}" in caplog.text


def test_ranks_are_a_row_per_positive_with_its_facts():
    ranks, exposure = model_tables(WORLD)
    assert ranks.column_names == [
        "user",
        "item",
        "n_seen",
        "n_candidates",
        "exact",
        "index",
    ]
    assert ranks["user"].to_pylist()[2:5] == [4, 4, 4]
    assert ranks["item"].to_pylist()[2:5] == [5, 10, 31]
    assert ranks["n_seen"].to_pylist()[0] == 0
    is_far = np.array(ranks["exact"]) >= 10
    assert ranks["index"].is_null().to_pylist() == is_far.tolist()
    assert exposure["item"].to_pylist() == list(range(2, 32))
    assert sum(exposure["exact@10"].to_pylist()) == 120


def test_baselines_know_what_training_met_of_a_positive_and_its_user():
    ranks, exposure = baseline_tables(WORLD)
    items, users = np.array(ranks["item"]) - 2, np.array(ranks["user"]) - 2
    assert ranks["item_n_train"].to_pylist() == WORLD.n_train[items].tolist()
    trained_on = [len(WORLD.training[user]) for user in users]
    assert ranks["user_n_train"].to_pylist() == trained_on
    assert exposure["n_train"].to_pylist() == WORLD.n_train.tolist()


def test_an_index_over_other_items_is_refused():
    with pytest.raises(ValueError, match="item_index holds 30 items"):
        rank_by_two_tower(
            WORLD.test_queries,
            WORLD.test_examples,
            World(n_items=31).item_embeddings,
            WORLD.item_index,
            parameters(),
        )


def test_queries_of_other_users_are_refused():
    with pytest.raises(ValueError, match="run the export pipeline again"):
        rank_by_two_tower(
            World(n_users=11).test_queries,
            WORLD.test_examples,
            WORLD.item_embeddings,
            WORLD.item_index,
            parameters(),
        )


def test_no_test_query_at_all_is_refused():
    nobody = WORLD.test_examples.filter(ibis._.user < 0)
    with pytest.raises(ValueError, match="test_examples is empty"):
        rank_by_baselines(
            nobody,
            WORLD.item_vocabulary,
            WORLD.user_vocabulary,
            WORLD.train_sequences,
            parameters(),
        )


def test_ranks_of_other_positives_are_refused():
    with pytest.raises(ValueError, match="are not the same"):
        metrics_of(WORLD, baselines_of=World(n_users=11))


def scores_by_vector(user):
    """`[V, N]` float64 of one user of several vectors."""
    return OF_INTERESTS.queries[user].astype(float) @ OF_INTERESTS.vectors.T


# covers: A33 X6
def test_users_of_several_vectors_are_ranked_by_the_greatest_cosine():
    ranks, exposure = model_tables(OF_INTERESTS)
    expected = []
    for user, (targets, seen) in enumerate(zip(WORLD.targets, WORLD.seen, strict=True)):
        scores = scores_by_vector(user).max(axis=0)
        order = definitions.ranked_list(scores, targets, seen)
        expected += [order.index(target) for target in sorted(set(targets))]
    assert ranks["exact"].to_pylist() == expected
    through_index = [rank if rank < 10 else None for rank in expected]
    assert ranks["index"].to_pylist() == through_index
    # The lists are as long as those of a single vector.
    assert sum(exposure["index@10"].to_pylist()) == 120


def test_cold_items_are_ranked_for_users_of_several_vectors():
    items = np.flatnonzero(OF_INTERESTS.n_train == 0)
    expected = []
    for user, positives in cold_positives().items():
        scores = scores_by_vector(user)[:, items].max(axis=0)
        targets = np.searchsorted(items, positives)
        seen = [np.searchsorted(items, i) for i in WORLD.seen[user] if i in items]
        order = definitions.ranked_list(scores, targets, seen)
        expected += [order.index(target) for target in targets]
    assert cold_ranks(OF_INTERESTS)["exact"].to_pylist() == expected


# covers: A33 X6
def test_each_vector_is_told_by_the_items_nearest_to_it():
    found = interests_of(OF_INTERESTS)
    assert (found["n_vectors"], found["headline"]) == (3, 5)
    # Three of twelve users, evenly spread.
    assert [user["user_id"] for user in found["users"]] == ["u2", "u6", "u10"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for user, described in zip((0, 4, 8), found["users"], strict=True):
        by_vector = scores_by_vector(user)
        owner, best = by_vector.argmax(axis=0), by_vector.max(axis=0)
        seen = WORLD.seen[user]
        shown = definitions.ranked_list(best, [], seen)
        assert described["n_seen"] == len(seen)
        shares = [one["share"] for one in described["interests"]]
        assert shares == sorted(shares, reverse=True)
        assert {one["vector_index"] for one in described["interests"]} == {0, 1, 2}
        for interest in described["interests"]:
            vector = interest["vector_index"]
            own = [item for item in shown if owner[item] == vector]
            assert interest["share"] == np.mean(owner[shown[:5]] == vector)
            of_past = {item for item in seen if owner[item] == vector}
            near = sorted(of_past, key=lambda item: -by_vector[vector, item])
            for name, expected in (("recommended", own[:3]), ("history", near[:2])):
                titles = [item["title"] for item in interest[name]]
                assert titles == [f"Title {item + 2}" for item in expected]
                scores = [item["score"] for item in interest[name]]
                assert scores == pytest.approx(by_vector[vector, expected], 1e-5, 1e-6)
        assert sum(shares) == pytest.approx(1)


def test_what_was_held_out_is_told_with_its_rank_from_one():
    found = interests_of(OF_INTERESTS, interests={**INTEREST_SIZES, "users": 12})
    user = found["users"][2]  # of three positives
    assert user["n_held_out"] == 3
    by_vector = scores_by_vector(2)
    order = definitions.ranked_list(by_vector.max(axis=0), [3, 8, 29], WORLD.seen[2])
    expected = sorted((order.index(item), item) for item in (3, 8, 29))
    assert [one["item_id"] for one in user["held_out"]] == [
        f"x{item + 2}" for _, item in expected
    ]
    assert [one["rank"] - 1 for one in user["held_out"]] == [r for r, _ in expected]
    assert [one["vector_index"] for one in user["held_out"]] == [
        by_vector[:, item].argmax() for _, item in expected
    ]


INTEREST_SIZES = {"users": 3, "history": 2, "recommended": 3}


@pytest.mark.parametrize(("asked", "told"), [(0, 0), (5, 5), (99, 12)])
def test_as_many_users_are_told_of_as_there_are(asked, told):
    found = interests_of(WORLD, interests={**INTEREST_SIZES, "users": asked})
    assert found["n_vectors"] == 1
    assert len({user["user_id"] for user in found["users"]}) == told


def test_interests_in_items_of_another_vocabulary_are_refused():
    with pytest.raises(ValueError, match="item_index holds 31 items"):
        describe_interests(
            WORLD.test_queries,
            WORLD.test_examples,
            World(n_items=31).item_index,
            WORLD.item_vocabulary,
            parameters(),
        )


def test_a_user_who_lacks_a_vector_is_refused():
    fewer = OF_INTERESTS.test_queries.filter(
        (ibis._.user != 5) | (ibis._.vector_index < 2)
    )
    with pytest.raises(ValueError, match=r"1 of 12 users .*'u5'"):
        rank_by_two_tower(
            fewer,
            WORLD.test_examples,
            WORLD.item_embeddings,
            WORLD.item_index,
            parameters(),
        )


# covers: X6
@pytest.mark.parametrize("size", [5, 12, 100])
def test_all_queries_are_told_by_how_their_vectors_share_the_lists(size, monkeypatch):
    monkeypatch.setattr(vector_use, "QUERIES_PER_SEARCH", size)
    use = interests_of(OF_INTERESTS)["all_queries"]
    lists = []
    for user in range(12):
        by_vector = scores_by_vector(user)
        shown = definitions.ranked_list(by_vector.max(axis=0), [], WORLD.seen[user])
        lists.append(by_vector.argmax(axis=0)[shown[:5]])
    assert use["n_queries"] == 12
    expected = np.bincount(np.concatenate(lists), minlength=3) / 60
    assert use["shares"] == pytest.approx(expected)
    numbers = [len(set(owners)) for owners in lists]
    assert use["queries_by_vectors"] == [numbers.count(n) for n in (1, 2, 3)]
    cosines = [
        user[one] @ user[other]
        for user in OF_INTERESTS.queries.astype(float)
        for one, other in ((0, 1), (0, 2), (1, 2))
    ]
    assert use["mean_cosine"] == pytest.approx(np.mean(cosines))


def test_without_users_or_several_vectors_all_queries_are_not_read(monkeypatch):
    monkeypatch.setattr("two_tower.pipelines.evaluation.nodes.stream_queries", None)
    assert interests_of(WORLD)["all_queries"] is None
    nobody = interests_of(OF_INTERESTS, interests={**INTEREST_SIZES, "users": 0})
    assert (nobody["all_queries"], nobody["users"]) == (None, [])


def test_only_the_vectors_of_the_users_told_of_are_held_at_once(monkeypatch):
    n_rows = []

    def noted(queries):
        found = read_user_vectors(queries)
        n_rows.append(len(found.users))
        return found

    monkeypatch.setattr("two_tower.index.vectors.read_user_vectors", noted)
    interests_of(WORLD)
    assert n_rows == [3]


def test_queries_of_other_users_than_the_examples_are_refused():
    fewer = OF_INTERESTS.test_examples.filter(ibis._.user != 4)
    with pytest.raises(ValueError, match="12 users and test_examples 11"):
        describe_interests(
            OF_INTERESTS.test_queries,
            fewer,
            OF_INTERESTS.item_index,
            WORLD.item_vocabulary,
            parameters(),
        )


def test_queries_of_an_earlier_version_are_refused():
    with pytest.raises(ValueError, match="exported by an earlier version"):
        rank_by_two_tower(
            WORLD.test_queries.drop("vector_index"),
            WORLD.test_examples,
            WORLD.item_embeddings,
            WORLD.item_index,
            parameters(),
        )
