import pytest

from tests.evaluation.fabricate import (
    World,
    WorldOfInterests,
    interests_of,
    metrics_of,
)
from two_tower.evaluation.plots import plot_hit_rates, plot_slices
from two_tower.evaluation.report import format_headline, format_report

INTERESTS = interests_of(World())


@pytest.fixture(scope="module")
def metrics():
    return metrics_of(World())


def test_the_report_states_protocol_figures_and_doubts(metrics):
    report = format_report(metrics, INTERESTS)
    assert report.startswith("# Evaluation on small world\n")
    assert metrics["protocol"]["in_words"] in report
    ease = metrics["baselines"]["ease"]
    cells = [f"{ease[name]:.4f}" for name in ("hr@5", "recall@5", "ndcg@5", "mrr")]
    assert f"| EASE | {' | '.join(cells)} |" in report
    over = metrics["intervals"]["over_popularity"]["hr@5"]
    interval = f"{over['mean']:+.4f} [{over['low']:+.4f}, {over['high']:+.4f}]"
    assert f"| over popularity | {interval} |" in report
    assert "90% intervals from 50 paired bootstrap resamples" in report


def test_each_table_of_the_report_has_as_many_cells_in_every_row(metrics):
    blocks = format_report(metrics, INTERESTS).split("\n\n")
    tables = [block.strip().splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 15
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
        assert len(lines) > 2


def test_figures_of_queries_that_know_when_they_are_asked_say_so(metrics):
    asked = metrics_of(World(asked_at=900_000_000))
    assert asked["protocol"]["request_time"] is True
    assert metrics["protocol"]["request_time"] is False
    told = "request's time known"
    assert told in format_headline(asked)
    assert told not in format_headline(metrics)
    told = "queries that know when they are asked"
    assert told in format_report(asked, INTERESTS)
    assert told not in format_report(metrics, INTERESTS)


def test_a_skipped_baseline_is_mentioned_with_its_reason():
    metrics = metrics_of(World(), ease={"l2": 1, "max_items": 3})
    report = format_report(metrics, INTERESTS)
    assert "EASE was left out: the catalogue has 30 items" in report
    assert "over EASE" not in report


def test_recall_is_shown_only_where_it_differs_from_the_hit_rate(metrics):
    protocol = metrics["protocol"] | {"n_positives": metrics["protocol"]["n_queries"]}
    single = metrics | {"protocol": protocol}
    assert "Recall@" in format_report(metrics, INTERESTS)
    assert "Recall@" not in format_report(single, INTERESTS)


def test_the_curves_are_the_hit_rates(metrics):
    figure = plot_hit_rates(metrics)
    curves = {trace.name: trace for trace in figure.data}
    exact = metrics["two_tower"]["exact"]
    assert list(curves["two-tower, exact"].x) == [1, 5, 10]
    expected = [exact[f"hr@{k}"] for k in (1, 5, 10)]
    assert list(curves["two-tower, exact"].y) == expected
    assert set(curves) == {
        "90% interval",
        "two-tower, exact",
        "two-tower, through the index",
        "popularity",
        "EASE",
    }
    assert "small world" in figure.layout.title.text
    assert "share of queries" in figure.layout.yaxis.title.text


def test_the_bars_are_the_hit_rates_of_the_slices(metrics):
    figure = plot_slices(metrics)
    bars = [trace for trace in figure.data if trace.name == "EASE"]
    lengths = metrics["slices"]["history_length"]
    assert list(bars[0].y) == [one["ease"]["hr@5"] for one in lengths.values()]
    assert [label.split("<br>")[0] for label in bars[0].x] == list(lengths)
    assert [trace.showlegend for trace in bars] == [True, False, False, False]


def test_slices_without_queries_are_left_out(metrics):
    empty = {"n_queries": 0, "n_positives": 0}
    coldness = metrics["slices"]["item_coldness"] | {"cold": empty}
    slices = metrics["slices"] | {"item_coldness": coldness}
    warm_only = metrics | {"slices": slices, "among_cold_items": empty}
    report = format_report(warm_only, INTERESTS)
    assert report.count("| cold |") == 1  # the user's row, not the item's
    assert "no positive is among them" in report
    bars = plot_slices(warm_only).data[2]
    assert [label.split("<br>")[0] for label in bars.x] == ["warm"]


# covers: X11
def test_the_report_sets_cold_items_beside_chance(metrics):
    report = format_report(metrics, INTERESTS)
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


def test_cold_items_have_a_bar_for_their_ranking_among_themselves(metrics):
    figure = plot_slices(metrics)
    exact = [trace for trace in figure.data if trace.name == "two-tower, exact"][2]
    names = [label.split("<br>")[0] for label in exact.x]
    assert names == ["warm", "cold", "cold, among cold"]
    assert exact.y[2] == metrics["among_cold_items"]["exact"]["hr@5"]


def test_the_report_tells_what_the_vectors_of_a_user_stand_for(metrics):
    interests = interests_of(WorldOfInterests())
    report = format_report(metrics, interests)
    section = report.split("## What the vectors of some users stand for\n")[1]
    second = interests["users"][1]
    assert "Each user is 3 vectors" in section
    assert f"### User {second['user_id']}, {second['n_seen']} items seen\n" in section
    vector = next(one for one in second["interests"] if one["history"])
    near = vector["history"][0]
    expected = (
        f"- Vector {vector['vector_index']}, share {vector['share']:.0%}\n"
        f"  - past: *{near['title']}* ({near['score']:.2f})"
    )
    assert expected in section
    (held_out,) = second["held_out"][:1]
    assert f"Held out: *{held_out['title']}* at rank {held_out['rank']}" in section
    # The first user has no history.
    first = section.split("### User")[1]
    assert "  - past: nothing\n  - nearest unseen items: *Title" in first
    assert "Over all 12 queries" in section
    shares = " | ".join(f"{one:.1%}" for one in interests["all_queries"]["shares"])
    assert f"| share of the first 5 items | {shares} |" in section


def test_no_user_asked_for_leaves_no_section(metrics):
    sizes = {"users": 0, "history": 2, "recommended": 3}
    nobody = interests_of(WorldOfInterests(), interests=sizes)
    assert "What the vectors" not in format_report(metrics, nobody)


def test_the_best_ranked_of_many_held_out_items_are_said_to_be_some(metrics):
    sizes = {"users": 12, "history": 2, "recommended": 2}
    interests = interests_of(WorldOfInterests(), interests=sizes)
    report = format_report(metrics, interests)
    assert report.count("Held out, the 2 best-ranked of 3: *Title") == 1
    assert report.count("Held out: *Title") == 11


def test_a_title_is_read_as_it_stands(metrics):
    interests = interests_of(WorldOfInterests())
    interests["users"][0]["held_out"][0]["title"] = "M*A*S*H [_4_]"
    report = format_report(metrics, interests)
    assert r"*M\*A\*S\*H \[\_4\_\]* at rank" in report


def test_a_single_vector_has_no_section_of_interests(metrics):
    assert "What the vectors" not in format_report(metrics, INTERESTS)


def test_an_item_without_a_title_is_named_by_its_id(metrics):
    interests = interests_of(WorldOfInterests())
    held_out = interests["users"][0]["held_out"][0]
    item_id = held_out["item_id"]
    held_out["title"] = None
    assert f"Held out: *{item_id}* at rank" in format_report(metrics, interests)
