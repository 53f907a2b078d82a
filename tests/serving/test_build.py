import ibis
import numpy as np
import pyarrow as pa
import pytest

from two_tower.lineage.records import LineageStore, Record
from two_tower.serving.build import (
    average_direction,
    describe_origin,
    describe_refit,
    sample_users,
)

DATA = {"interactions": "d", "kept_interactions": "k", "split_interactions": "s"}
RUN = ("kedro run", None)


# covers: L28
def test_a_model_of_another_split_has_no_origin(tmp_path):
    store = LineageStore(tmp_path)
    store.write(
        "two_tower_model", Record("m", "node", "run", {}, {}, DATA, "kedro run", None)
    )
    store.write(
        "kept_interactions",
        Record("other", "node", "run", {}, {}, {}, "kedro run", None),
    )
    with pytest.raises(ValueError, match="another version of kept_interactions"):
        describe_origin(store, "two_tower_model")


def test_a_model_without_a_lineage_record_has_no_origin(tmp_path):
    with pytest.raises(ValueError, match=r"no lineage record: .* run: .* training"):
        describe_origin(LineageStore(tmp_path), "two_tower_model")


def test_a_refit_holds_nothing_out_and_says_so(tmp_path):
    store = LineageStore(tmp_path)
    split = {"sequencing.split": {"kind": "temporal", "seed": 3}}
    options = {"refit": {"start": "warm"}, "training": {"epochs": 8}}
    store.write("refit_model", Record("r", "node", "run", options, {}, DATA, *RUN))
    store.write("kept_interactions", Record("k", "node", "run", {}, {}, {}, *RUN))
    store.write("split_interactions", Record("s", "node", "run", split, {}, {}, *RUN))
    origin = describe_refit(store, epochs=5)
    assert origin["refit"] == {"start": "warm", "epochs": 5}
    assert origin["rules"] == {"sequencing.split": {"kind": "none", "seed": 3}}
    assert origin["fingerprints"] == {**DATA, "refit_model": "r"}


def test_queries_that_cancel_out_have_no_average():
    opposite = np.float32([[1, 0], [-1, 0]])
    for queries in (opposite, opposite[:0]):
        with pytest.raises(ValueError, match="no mean direction"):
            average_direction(queries)


def test_a_sample_of_users_depends_on_the_seed():
    users = ibis.memtable(pa.table({"user": pa.array(range(50, 2, -1), pa.int32())}))
    one, again, other = (
        set(sample_users(users, n=20, seed=seed).user.to_pyarrow().to_pylist())
        for seed in (1, 1, 2)
    )
    assert len(one) == 20
    assert one == again != other
    assert sample_users(users, n=48, seed=1).count().to_pyarrow().as_py() == 48
