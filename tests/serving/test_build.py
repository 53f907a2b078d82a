import ibis
import numpy as np
import pyarrow as pa
import pytest

from two_tower.lineage.records import LineageStore, Record
from two_tower.serving.build import average_direction, describe_origin, sample_users

DATA = {"interactions": "d", "kept_interactions": "k", "split_interactions": "s"}


# covers: L28
def test_a_model_of_another_split_has_no_origin(tmp_path):
    store = LineageStore(tmp_path)
    store.write("two_tower_model", Record("m", "node", "run", {}, {}, DATA))
    store.write("kept_interactions", Record("other", "node", "run", {}, {}, {}))
    with pytest.raises(ValueError, match="another version of kept_interactions"):
        describe_origin(store)


def test_a_model_without_a_lineage_record_has_no_origin(tmp_path):
    with pytest.raises(ValueError, match=r"no lineage record: .* run: .* training"):
        describe_origin(LineageStore(tmp_path))


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
