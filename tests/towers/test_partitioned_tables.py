"""Embedding tables partitioned over devices, as Keras does with JAX."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import jax
import keras
import numpy as np
from keras.distribution import DeviceMesh, LayoutMap, ModelParallel, set_distribution
from tests.towers.test_hashed_entities import IDS, hashed_tower

def tower_and_vectors():
    tower = hashed_tower()
    return tower, np.asarray(jax.jit(tower)(IDS))

_, alone = tower_and_vectors()
mesh = DeviceMesh((1, 2), ("batch", "model"), jax.devices())
layout = LayoutMap(mesh)
layout[r".*hashed.*table_\\d+"] = ("model", None)
set_distribution(ModelParallel(layout_map=layout, batch_dim_name="batch"))
tower, in_parts = tower_and_vectors()
for table in tower.hashed_id.tables.values():
    parts = [part.data.shape for part in table.value.addressable_shards]
    assert parts == [(table.shape[0] // 2, table.shape[1])] * 2, parts
np.testing.assert_allclose(in_parts, alone, rtol=1e-6)
"""


# covers: A15
def test_tables_partitioned_over_two_devices_give_equal_vectors():
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
