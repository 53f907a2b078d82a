from two_tower.evaluation.markdown import escape, interval, label, table


def test_a_table_has_its_first_column_on_the_left_and_numbers_on_the_right():
    assert table(["", "HR@1"], [["EASE", "0.5"]]).splitlines() == [
        "|  | HR@1 |",
        "| :-- | --: |",
        "| EASE | 0.5 |",
    ]


def test_characters_of_markdown_are_escaped():
    assert escape("M*A*S*H | #1 <b>") == r"M\*A\*S\*H \| \#1 \<b\>"


def test_metrics_are_labelled_as_the_literature_writes_them():
    names = ["hr@10", "recall@5", "ndcg@1", "mrr", "coverage@10"]
    written = ["HR@10", "Recall@5", "NDCG@1", "MRR", "Coverage@10"]
    assert list(map(label, names)) == written


def test_an_interval_follows_its_mean():
    bounds = {"mean": 0.01, "low": -0.005, "high": 0.015}
    assert interval(bounds) == "+0.0100 [-0.0050, +0.0150]"
