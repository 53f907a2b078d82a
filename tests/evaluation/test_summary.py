"""All metrics of a small data set against their definitions."""

import math
import warnings
from functools import cached_property

import numpy as np
import pytest

from tests.evaluation.fabricate import World, metrics_of
from tests.metrics import definitions
from two_tower.evaluation.plots import plot_slices
from two_tower.evaluation.report import format_report

WORLD = World()
NO_INTERESTS = {"n_vectors": 1, "users": []}


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
    return WORLD.scores


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
def test_accuracy_metrics_follow_their_definition(metrics, family, name, scores):
    ranks = expected_ranks(scores())
    found = metrics[family][name]
    for k in (1, 5, 10):
        hit = np.mean([min(row) < k for row in ranks])
        recall = np.mean([definitions.recall(row, k) for row in ranks])
        ndcg = np.mean([definitions.ndcg(row, k) for row in ranks])
        assert found[f"hr@{k}"] == pytest.approx(hit)
        assert found[f"recall@{k}"] == pytest.approx(recall)
        assert found[f"ndcg@{k}"] == pytest.approx(ndcg)
    # The index returns ten items; a positive outside them has no rank.
    cut = 10 if name == "index" else 30
    reciprocal = [
        definitions.reciprocal_rank(row) if min(row) < cut else 0 for row in ranks
    ]
    assert found["mrr"] == pytest.approx(np.mean(reciprocal))


def test_list_metrics_follow_their_definition(metrics):
    lists = [
        definitions.ranked_list(row, [], seen)[:5]
        for row, seen in zip(WORLD.scores, WORLD.seen, strict=True)
    ]
    items = np.concatenate(lists)
    share = (WORLD.n_train + 1) / (WORLD.n_train + 1).sum()
    found = metrics["two_tower"]["exact"]
    assert found["coverage@5"] == pytest.approx(len(set(items)) / 30)
    assert found["novelty@5"] == pytest.approx(-np.log2(share[items]).mean())
    fewer = [(WORLD.n_train < WORLD.n_train[item]).mean() for item in items]
    as_many = [(WORLD.n_train == WORLD.n_train[item]).mean() for item in items]
    expected = np.mean(fewer) + np.mean(as_many) / 2
    assert found["popularity@5"] == pytest.approx(expected)


# covers: X8
def test_intervals_hold_the_metrics_and_their_differences(metrics):
    intervals = metrics["intervals"]
    exact, ease = metrics["two_tower"]["exact"], metrics["baselines"]["ease"]
    assert intervals["two_tower"]["ndcg@10"]["mean"] == pytest.approx(exact["ndcg@10"])
    over = intervals["over_ease"]["hr@10"]
    assert over["mean"] == pytest.approx(exact["hr@10"] - ease["hr@10"])
    assert over["low"] < over["mean"] < over["high"]
    lost = intervals["lost_through_index"]["hr@10"]
    assert (lost["low"], lost["mean"], lost["high"]) == (0, 0, 0)
    # An index of perfect recall still loses the ranks outside its list.
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
    # Only the first user has no training interaction.
    assert metrics["slices"]["user_coldness"]["cold"]["n_queries"] == 1


def test_metrics_of_a_slice_are_of_its_positives_only(metrics):
    # Of user 2's three positives one is cold: only that one counts.
    n_train = WORLD.n_train
    assert sorted(n_train[[3, 8, 29]] == 0) == [False, False, True]
    ranks = []
    for user, targets in enumerate(WORLD.targets):
        order = definitions.ranked_list(WORLD.scores[user], targets, WORLD.seen[user])
        cold = [order.index(item) for item in set(targets) if not n_train[item]]
        ranks.extend([cold] if cold else [])
    found = metrics["slices"]["item_coldness"]["cold"]["exact"]
    assert found["mrr"] == pytest.approx(
        np.mean([definitions.reciprocal_rank(row) for row in ranks])
    )


# covers: X11
def test_cold_items_are_also_ranked_among_themselves(metrics):
    items = np.flatnonzero(WORLD.n_train == 0)
    scores = WORLD.scores[:, items]
    ranks, lengths = [], []
    for user, positives in WORLD.cold_targets.items():
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
def test_cold_items_have_the_expected_metrics_of_a_random_order(metrics):
    miss = []
    for user, positives in WORLD.cold_targets.items():
        excluded = set(WORLD.seen[user]) - set(WORLD.targets[user])
        n, p = WORLD.n_items - len(excluded), len(positives)
        miss.append(math.comb(n - p, 5) / math.comb(n, 5))
    found = metrics["slices"]["item_coldness"]["cold"]
    assert found["random"]["hr@5"] == pytest.approx(1 - np.mean(miss))
    over = metrics["intervals"]["cold_items"]["over_random"]["hr@5"]
    expected = found["exact"]["hr@5"] - found["random"]["hr@5"]
    assert over["mean"] == pytest.approx(expected)


# covers: X11
def test_cold_users_are_a_slice(metrics):
    (first, *_) = WORLD.targets
    (rank,) = definitions.ranks(WORLD.scores[0], first, [])
    found = metrics["slices"]["user_coldness"]["cold"]
    assert (found["n_positives"], found["n_candidates"]) == (1, 30)
    assert found["exact"]["mrr"] == pytest.approx(1 / (rank + 1))
    assert found["random"]["hr@5"] == pytest.approx(5 / 30)


class WarmWorld(World):
    """Each item has a training interaction."""

    @cached_property
    def n_train(self):
        return np.maximum(super().n_train, 1)


def test_without_cold_items_their_metrics_are_left_out():
    found = metrics_of(WarmWorld())
    assert found["slices"]["item_coldness"]["cold"]["n_queries"] == 0
    assert found["among_cold_items"] == {"n_queries": 0, "n_positives": 0}
    assert "cold_items" not in found["intervals"]
    assert "none of them is a positive" in format_report(found, NO_INTERESTS, "")


class NewItemsWorld(World):
    """The last five items are held out entirely; histories hold training items only."""

    @cached_property
    def seen(self):
        return self.training

    @cached_property
    def targets(self):
        return [sorted({25 + user % 5, 29}) for user in range(self.n_users)]


# covers: X11
def test_a_split_of_new_items_gives_metrics_of_all_rankings_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # as NumPy gives them
        metrics = metrics_of(NewItemsWorld())
        report = format_report(metrics, NO_INTERESTS, "")
        plot_slices(metrics)
    cold = metrics["slices"]["item_coldness"]["cold"]
    assert cold["n_positives"] == metrics["protocol"]["n_positives"]
    assert metrics["slices"]["item_coldness"]["warm"]["n_queries"] == 0
    # Baselines give cold items equal scores, and equal scores take the last ranks.
    assert cold["popularity"]["hr@10"] == cold["ease"]["hr@10"] == 0
    assert cold["random"]["hr@10"] > 0
    assert "| two-tower, exact, times random |" in report
