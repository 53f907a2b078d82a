"""The literature's protocol on the real data."""

import io
import zipfile

import ibis
import numpy as np
import pandas as pd
import pytest

from tests.conftest import REAL_DATA
from tests.sequences.tables import rows, sequence
from two_tower.pipelines.sequencing import nodes

from .audit.outputs import AUDITED

pytestmark = pytest.mark.movielens


@pytest.fixture(scope="module")
def ratings():
    path = REAL_DATA / "ml-1m-dev.zip"
    if not path.is_file():
        pytest.skip(f"the real MovieLens archive {path} is not there")
    with zipfile.ZipFile(path) as archive:
        text = archive.read("ml-1m/ratings.dat").decode("latin-1").replace("::", "\t")
    names = ["user_id", "item_id", "rating", "timestamp"]
    table = pd.read_csv(io.StringIO(text), sep="\t", names=names)
    table.insert(0, "event_id", np.arange(len(table)))
    return table.astype({"rating": "float32"})


@pytest.fixture(scope="module")
def outputs(ratings):
    ids = {f"{name}s": pd.DataFrame({f"{name}_id": []}) for name in ("item", "user")}
    return sequence(
        ibis.memtable(ratings),
        **{name: ibis.memtable(table.astype("int64")) for name, table in ids.items()},
        features={"item": None, "user": None},
        selection={"min_item_interactions": 5},
        window=200,
    )


def test_movies_with_five_ratings_are_those_of_the_literature(outputs):
    tables, _ = outputs
    assert tables["split_interactions"].count().execute() == 993_563
    assert tables["item_vocabulary"].count().execute() == 3_414
    assert tables["user_vocabulary"].count().execute() == 6_040


def test_the_last_item_of_a_stable_sort_by_time_is_the_test_target(outputs, ratings):
    counts = ratings.groupby("item_id").event_id.transform("count")
    kept = ratings[counts >= 5].sort_values(["user_id", "timestamp"], kind="stable")
    last = kept.groupby("user_id").tail(1).set_index("user_id").item_id
    items = dict(rows(outputs[0]["item_vocabulary"], "item", "item_id"))
    found = {
        user: items[targets[0]]
        for user, targets in rows(outputs[0]["test_examples"], "user_id", "targets")
    }
    assert found == last.to_dict()


def test_windows_lose_no_training_pair(outputs):
    lengths = [len(items) for (items,) in rows(outputs[0]["train_sequences"], "items")]
    # Of each user's n items, n - 2 are trained on, in n - 3 pairs.
    assert sum(lengths) == 993_563 - 3 * 6_040
    assert max(lengths) == 200


def test_the_audit_passes(outputs):
    tables, params = outputs
    audited = {name: tables[name] for name in AUDITED}
    assert nodes.audit_leakage(**params, **audited)["passed"]
