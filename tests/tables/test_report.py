"""What ingested tables hold, whether they fit each other, and what looks wrong."""

import ibis
import pyarrow as pa
import pytest

from two_tower.tables.report import (
    describe_tables,
    find_warnings,
    refuse_unjoined,
    summarise,
)

DAY = 86_400
START = 1_600_000_000  # 2020-09-13


def interactions(rows, id_type=None):
    users, items, times, ratings = zip(*rows, strict=True)
    return ibis.memtable(
        pa.table(
            {
                "event_id": range(len(rows)),
                "user_id": pa.array(users, id_type),
                "item_id": pa.array(items, id_type),
                "timestamp": pa.array(times, pa.int64()),
                "rating": pa.array(ratings, pa.float32()),
            }
        )
    )


def ids(name, values, of):
    return ibis.memtable(pa.table({name: pa.array(values, of)}))


def report_of(events, items=(), users=(), features=None):
    of = pa.string() if events.item_id.type().is_string() else pa.int64()
    described = describe_tables(
        events, ids("item_id", items, of), ids("user_id", users, of)
    )
    n = {"interactions": int(events.count().execute()), "items": len(items)}
    read = {"read": 0, "features": features or {}, "warnings": []}
    return {
        name: {**read, "used": n.get(name, len(users)), **found}
        for name, found in described.items()
    }


FEW = [
    ("u", "1", START, 5),
    ("u", "2", START, 4),
    ("u", "1", START + DAY, None),
    ("v", "3", START + 2 * DAY + 1, 1),
]


def test_times_ties_and_ratings_are_described():
    events = report_of(interactions(FEW))["interactions"]
    assert events["rated"] == 0.75
    assert events["repeated"] == 0
    assert events["times"] == {
        "first": "2020-09-13",
        "last": "2020-09-15",
        "seconds": 3,
        "distinct": 0.75,
        "ties": 0.5,  # of two consecutive pairs, both of the user u
        "rounded": None,
    }


def test_the_summary_has_counts_days_and_joins():
    report = report_of(interactions(FEW), items=["1", "2"])
    assert summarise(report) == (
        "4 interactions of 2 users and 3 items; from 2020-09-13 to 2020-09-15 at 3 "
        "distinct seconds (75.0%), 50.0% tied with the one before; 75.0% have an item "
        "of raw_items"
    )


def test_data_without_times_have_no_times_in_the_report():
    rows = [(user, item, None, None) for user, item, *_ in FEW]
    report = report_of(interactions(rows + rows))
    assert report["interactions"]["times"] is None
    assert "no times" in summarise(report)
    assert find_warnings(report) == []  # a second purchase is no exact repetition


@pytest.mark.parametrize(
    ("items", "joined"),
    [
        ([], None),
        (["1"], {"number": 1, "interactions": 0.5}),
        (["1", "2", "3", "9"], {"number": 3, "interactions": 1.0}),
    ],
)
def test_joined_items_and_interactions_are_counted(items, joined):
    found = report_of(interactions(FEW), items=items)["items"]
    assert (found["in_interactions"], found["joined"]) == (3, joined)


def test_tables_that_share_no_id_are_refused():
    report = report_of(interactions(FEW), items=["00001", "00002"])
    message = (
        "no interaction has an item of raw_items: interactions have the ids 1, 2, 3, "
        "raw_items has 00001, 00002"
    )
    with pytest.raises(ValueError, match=message):
        refuse_unjoined(report)
    with pytest.raises(ValueError, match="no interaction has a user of raw_users"):
        refuse_unjoined(report_of(interactions(FEW), users=["U"]))
    refuse_unjoined(report_of(interactions(FEW), items=["1"]))
    refuse_unjoined(report_of(interactions(FEW)))


@pytest.mark.parametrize(("n_joined", "is_warned"), [(9, False), (8, True)])
def test_few_joined_interactions_are_warned_of(n_joined, is_warned):
    rows = [("u", str(i), START + i, None) for i in range(10)]
    report = report_of(interactions(rows), items=[str(i) for i in range(n_joined)])
    expected = [
        "only 80.0% of the interactions have an item of raw_items; the others have no "
        "features: are ids written differently?"
    ]
    assert find_warnings(report) == expected * is_warned


def spread(n, largest):
    """Return n interactions of 200 users, `largest` of them of one."""
    return [
        ("bot" if i < largest else f"u{i % 199}", f"i{i % 150}", START + i, None)
        for i in range(n)
    ]


@pytest.mark.parametrize(
    ("n", "largest", "is_warned"),
    [(2_000, 100, False), (2_000, 101, True), (900, 101, False)],
)
def test_one_user_with_much_is_warned_of_in_large_data(n, largest, is_warned):
    warnings = find_warnings(report_of(interactions(spread(n, largest))))
    assert [w[:24] for w in warnings] == ["the user 'bot' has 5.1% "] * is_warned


@pytest.mark.parametrize(("copies", "is_warned"), [(1, False), (2, True)])
def test_exact_repetitions_are_warned_of(copies, is_warned):
    rows = [("u", str(i), START + i, 5) for i in range(100)]
    warnings = find_warnings(report_of(interactions(rows + rows[:copies])))
    assert [w[:34] for w in warnings] == [
        "2.0% of the interactions repeat an"
    ] * is_warned


@pytest.mark.parametrize(
    ("step", "rounded"), [(128, 128), (1_000, 1_000), (86_400, None), (7, None)]
)
def test_times_that_lost_their_digits_are_warned_of(step, rounded):
    start = START - START % (step * 60) + step  # no full minute, unless it is a step
    rows = [("u", str(i), start + i * step, None) for i in range(30)]
    report = report_of(interactions(rows))
    assert report["interactions"]["times"]["rounded"] == rounded
    assert [w[:9] for w in find_warnings(report)] == ["all times"] * bool(rounded)


@pytest.mark.parametrize(("n_at_once", "is_warned"), [(9, False), (10, True)])
def test_interactions_of_one_time_are_warned_of(n_at_once, is_warned):
    rows = [("u", str(i), START + DAY * max(i - n_at_once, 0), None) for i in range(11)]
    warnings = find_warnings(report_of(interactions(rows)))
    expected = "100.0% of the interactions have the time of the user's one before"
    assert [w.partition(" and")[0] for w in warnings] == [expected] * is_warned


def test_times_to_come_are_warned_of():
    rows = [("u", "1", START, 5), ("u", "2", START + 78 * 365 * DAY, 4)]
    (warning,) = find_warnings(report_of(interactions(rows)))
    assert warning.startswith("the last interaction is of 2098-08-25, which is still ")


def test_spaces_and_placeholders_of_ids_are_warned_of():
    rows = [
        ("u ", "1", START, 5),
        ("NULL", "1", START + 1, 5),
        ("u", "1", START + 3, 5),
    ]
    warnings = find_warnings(report_of(interactions(rows)))
    assert warnings == [
        "1 ids of users have spaces around them, which are part of the id; remove them "
        "from the source",
        "1 interactions have the user 'NULL'; if it means missing, add it to "
        "ingestion.missing",
    ]


def test_rare_features_are_warned_of():
    items = [str(i) for i in range(200)]
    report = report_of(
        interactions(FEW), items=items, features={"rare": 1, "common": 2}
    )
    report["users"]["features"] = {}
    assert find_warnings(report) == ["less than 1% of the items have a value of rare"]


def test_integer_ids_are_described():
    rows = [(1, 7, START, None), (2, 8, START + 1, None)]
    report = report_of(interactions(rows, pa.int64()), items=[7], users=[1, 2])
    assert report["items"]["joined"] == {"number": 1, "interactions": 0.5}
    assert report["users"]["largest"] == {"id": 1, "interactions": 0.5}
    assert (report["items"]["spaced"], report["items"]["placeholders"]) == (0, {})
