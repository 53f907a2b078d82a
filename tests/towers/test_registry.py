import subprocess
import sys

import pytest

from two_tower.towers.registry import History

CODE = """
import sys
from two_tower.towers.registry import History, register_towers
assert "keras" not in sys.modules
register_towers()
import keras
for name in sys.argv[1:]:
    assert keras.saving.get_registered_object(f"two_tower>{name}"), name
"""
SAVED = (
    "TwoTower",
    "EntityTower",
    "MeanUserTower",
    "TransformerUserTower",
    "MultiInterestUserTower",
    "StackedEncoder",
)


def test_all_history_encoders_are_offered():
    assert History.kinds() == ("none", "mean", "transformer", "multi_interest")


@pytest.mark.backend
def test_towers_are_registered_with_keras_when_models_are_loaded():
    run = subprocess.run(  # noqa: S603 (fixed code)
        [sys.executable, "-c", CODE, *SAVED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
