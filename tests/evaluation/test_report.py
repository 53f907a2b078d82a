import pytest

from tests.evaluation.fabricate import (
    MultiVectorWorld,
    World,
    interests_of,
    metrics_of,
)
from two_tower.evaluation.report import format_headline, format_report

INTERESTS = interests_of(World())
TRAINING = "The best epoch on the validation was number 2 of 2."


@pytest.fixture(scope="module")
def metrics():
    return metrics_of(World())


def test_the_report_states_protocol_metrics_and_intervals(metrics):
    report = format_report(metrics, INTERESTS, TRAINING)
    assert report.startswith("# Evaluation on small world\n")
    assert metrics["protocol"]["in_words"] in report
    assert TRAINING in report
    ease = metrics["baselines"]["ease"]
    cells = [f"{ease[name]:.4f}" for name in ("hr@5", "recall@5", "ndcg@5", "mrr")]
    assert f"| EASE | {' | '.join(cells)} |" in report
    over = metrics["intervals"]["over_popularity"]["hr@5"]
    interval = f"{over['mean']:+.4f} [{over['low']:+.4f}, {over['high']:+.4f}]"
    assert f"| over popularity | {interval} |" in report
    assert "90% intervals from 50 paired bootstrap resamples" in report


def test_each_table_of_the_report_has_as_many_cells_in_every_row(metrics):
    blocks = format_report(metrics, INTERESTS, TRAINING).split("\n\n")
    tables = [block.strip().splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 16
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
        assert len(lines) > 2


def test_a_known_request_time_is_stated(metrics):
    known = metrics_of(World(asked_at=900_000_000))
    assert known["protocol"]["request_time"] is True
    assert metrics["protocol"]["request_time"] is False
    note = "request time known"
    assert note in format_headline(known)
    assert note not in format_headline(metrics)
    note = "The two-tower knows the time of the request"
    assert note in format_report(known, INTERESTS, TRAINING)
    assert note not in format_report(metrics, INTERESTS, TRAINING)


def test_a_skipped_baseline_is_mentioned_with_its_reason():
    metrics = metrics_of(World(), ease={"max_items": 3})
    report = format_report(metrics, INTERESTS, TRAINING)
    assert "EASE was skipped: the catalogue has 30 items" in report
    assert "over EASE" not in report


def test_the_section_on_interests_comes_last(metrics):
    report = format_report(metrics, interests_of(MultiVectorWorld()), TRAINING)
    assert report.index("## Interests of sample users") > report.index("## Slices")
    assert "Interests" not in format_report(metrics, INTERESTS, TRAINING)


def test_recall_is_shown_only_where_it_differs_from_the_hit_rate(metrics):
    protocol = metrics["protocol"] | {"n_positives": metrics["protocol"]["n_queries"]}
    single = metrics | {"protocol": protocol}
    assert "Recall@" in format_report(metrics, INTERESTS, TRAINING)
    assert "Recall@" not in format_report(single, INTERESTS, TRAINING)


def test_slices_without_queries_are_left_out(metrics):
    empty = {"n_queries": 0, "n_positives": 0}
    coldness = metrics["slices"]["item_coldness"] | {"cold": empty}
    slices = metrics["slices"] | {"item_coldness": coldness}
    warm_only = metrics | {"slices": slices, "among_cold_items": empty}
    report = format_report(warm_only, INTERESTS, TRAINING)
    assert report.count("| cold |") == 1  # the user's row, not the item's
    assert "none of them is a positive" in report


# covers: X11
def test_the_report_compares_cold_items_with_a_random_order(metrics):
    report = format_report(metrics, INTERESTS, TRAINING)
    among_all = metrics["slices"]["item_coldness"]["cold"]
    among_cold = metrics["among_cold_items"]
    for title, cold in (("all items", among_all), ("cold items", among_cold)):
        listed = f"{title} (N = {cold['n_candidates']:.1f})"
        header = f"| Ranked among {listed} | Recall@1 | Recall@5 | Recall@10 |"
        body = report.split(header)[1]
        times = cold["exact"]["recall@10"] / cold["random"]["recall@10"]
        row = body[body.index("| two-tower, exact, times random |") :].splitlines()[0]
        assert row.endswith(f" {times:.1f} |")
    over = metrics["intervals"]["cold_items"]["over_random"]["hr@5"]
    interval = f"{over['mean']:+.4f} [{over['low']:+.4f}, {over['high']:+.4f}]"
    assert f"| over random order | {interval} |" in report
