import ibis
import pytest

from tests.sequences.tables import FILE_ORDER, interactions, sequence, some_interactions
from two_tower.pipelines.sequencing import nodes
from two_tower.sequences.split_report import share_of_ties


@pytest.fixture(scope="module")
def outputs():
    return sequence(
        some_interactions(),
        split={"kind": "temporal"},
        selection={"min_item_interactions": 2, "min_rating": 2.0},
    )


def split_report(outputs):
    tables, params = outputs
    params = {name: params[name] for name in ("selected", "order", "split")}
    names = ("interactions", "split_interactions", "train_sequences")
    names += ("item_vocabulary", "user_vocabulary")
    names += ("explicit_negatives", "validation_examples", "test_examples")
    ingestion_report = {"warnings": ["something"]}
    return nodes.report_split(
        **params,
        ingestion_report=ingestion_report,
        **{name: tables[name] for name in names},
    )


def test_the_report_holds_that_of_ingestion(outputs):
    assert split_report(outputs)["ingestion"] == {"warnings": ["something"]}


def test_each_step_of_the_selection_is_counted(outputs):
    found = split_report(outputs)
    interactions = outputs[0]["interactions"].to_pandas()
    positive = interactions[interactions.rating >= 2]
    counts = positive.groupby("item_id").event_id.transform("count")
    kept = positive[counts >= 2]
    assert [(s["step"], s["interactions"]) for s in found["steps"]] == [
        ("read", len(interactions)),
        ("positive", len(positive)),
        ("without repeats", len(positive)),
        ("of items with enough", len(kept)),
        ("of users with enough", len(kept)),
    ]
    assert found["steps"][-1]["users"] == kept.user_id.nunique()
    assert found["steps"][-1]["items"] == kept.item_id.nunique()
    assert found["dropped_interactions"] == len(interactions) - len(kept)


def test_the_splits_add_up(outputs):
    found = split_report(outputs)
    n_kept = found["steps"][-1]["interactions"]
    assert sum(s["interactions"] for s in found["splits"].values()) == n_kept
    for split in ("validation", "test"):
        targets = found[f"{split}_examples"]["targets"]
        assert targets == found["splits"][split]["interactions"]
    train = found["splits"]["train"]
    pairs = train["interactions"] - train["users"]
    assert found["train_sequences"]["pairs"] == pairs
    assert found["train_sequences"]["users"] == train["users"]
    assert found["items"]["all"] == found["steps"][-1]["items"]


def test_cut_offs_are_given_in_seconds(outputs):
    found = split_report(outputs)
    splits = found["splits"]
    assert found["kind"] == "temporal"
    assert splits["train"]["last_timestamp"] < found["cut_offs"]["validation"]
    assert splits["validation"]["first_timestamp"] == found["cut_offs"]["validation"]
    assert splits["test"]["first_timestamp"] == found["cut_offs"]["test"]


def test_a_cut_in_time_has_no_shares_and_no_seed(outputs):
    found = split_report(outputs)
    assert (found["shares"], found["seed"]) == (None, None)
    assert found["ties"]["seed"] is None


def test_selection_and_random_split_are_reported_with_their_seeds():
    found = split_report(
        sequence(
            some_interactions(),
            split={"kind": "new_users", "seed": 5},
            selection={"repeats": "last", "min_user_interactions": 2},
            order={"ties": "shuffled", "seed": 9},
        )
    )
    assert found["selection"] == {
        "min_rating": None,
        "repeats": "last",
        "min_item_interactions": 1,
        "min_user_interactions": 2,
    }
    assert found["shares"] == {"validation": 0.1, "test": 0.1, "given": 0.5}
    assert (found["seed"], found["ties"]["seed"]) == (5, 9)


def test_new_items_are_counted_as_cold_and_explicit_negatives_as_pairs():
    tables, params = sequence(
        some_interactions(),
        split={"kind": "new_items", "seed": 5},
        selection={"min_rating": 3.0},
        explicit_negatives={"max_rating": 2.0},
    )
    found = split_report((tables, params))
    assert found["shares"] == {"validation": 0.1, "test": 0.1}
    assert found["items"] == {"all": 12, "cold": 2}
    negatives = tables["explicit_negatives"].to_pyarrow()["items"].to_pylist()
    assert found["explicit_negatives"] == {
        "users": len(negatives),
        "pairs": sum(map(len, negatives)),
    }


def test_ties_are_counted_within_users():
    # One of user 1's two pairs ties; user 2 has no pair, though it ties with user 1.
    table = interactions((1, 1, 5), (1, 2, 5), (1, 3, 6), (2, 1, 6))
    kept = FILE_ORDER.number_positions(table, timed=True)
    assert share_of_ties(kept) == 0.5
    assert share_of_ties(kept.filter(kept.user_id == 2)) == 0.0


@pytest.mark.parametrize(("minimum", "warned"), [(2, False), (4, True)])
def test_a_selection_that_drops_much_is_warned_of(minimum, warned, caplog):
    # Of ten interactions, three are with items of fewer than two, six of fewer than 4.
    often = [(user, 1, user) for user in range(4)]
    rare = [(user, 2, 9) for user in range(3)] + [(0, item, 9) for item in (5, 6, 7)]
    found = sequence(
        interactions(*often, *rare),
        selection={"min_item_interactions": minimum},
        split={"kind": "none"},
    )
    split_report(found)
    lines = [
        line.getMessage() for line in caplog.records if line.levelname == "WARNING"
    ]
    expected = "drops 60 % of the interactions (6 at 'of items with enough')"
    assert any(expected in line for line in lines) == warned
    assert len(lines) == warned


def test_data_without_times_are_reported(caplog):
    untimed = some_interactions().mutate(timestamp=ibis.null("int64"))
    found = split_report(sequence(untimed, split={"kind": "random"}))
    assert found["has_times"] is False
    assert found["cut_offs"] is None
    assert found["ties"] == {
        "handling": "shuffled",
        "seed": 0,
        "share_of_consecutive_pairs": 0.0,
    }
    times = {
        name: found["splits"]["test"][f"{name}_timestamp"] for name in ("first", "last")
    }
    assert times == {"first": None, "last": None}
