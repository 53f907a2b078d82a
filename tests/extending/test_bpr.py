"""A new objective: one file, one line of the registry, one line of YAML."""

import subprocess
import sys
from math import exp, log

import numpy as np
import pytest

from tests.extending.bpr import BprParams, bpr
from tests.training.fit_tiny import walks
from tests.training.tiny import N_ITEMS, parameters, train
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.objectives.registry import ObjectiveChoice
from two_tower.training.params import Training


class ObjectiveWithBpr(ObjectiveChoice):
    bpr: BprParams = BprParams()


class TrainingWithBpr(Training):
    objective: ObjectiveWithBpr


def training_with_bpr(negatives="uniform"):
    options = parameters({"epochs": 2}).model_dump()
    options["objective"]["kind"] = "bpr"
    options["negatives"]["kind"] = negatives
    return TrainingWithBpr.model_validate(options)


# covers: L2
@pytest.mark.backend
def test_a_new_objective_is_trained(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    histories = walks(30, N_ITEMS, seed=5)
    _, (first, last) = train(
        tmp_path, training_with_bpr(), store=store, histories=histories
    )
    assert last["loss"] < 0.9 * first["loss"]


@pytest.mark.backend
def test_its_loss_by_hand():
    # Leads of 2 and 1; the second negative counts twice, the third is masked.
    loss = bpr(
        np.float32([2.0]), np.float32([[0.0, 1.0, 9.0]]), np.float32([[1, 2, 0]])
    )
    expected = (log(1 + exp(-2)) + 2 * log(1 + exp(-1))) / 3
    np.testing.assert_allclose(np.asarray(loss), [expected], 1e-5)


def test_checks_of_all_objectives_hold_for_a_new_one():
    with pytest.raises(ValueError, match=r"'bpr' with negatives\.kind 'catalogue'"):
        training_with_bpr(negatives="catalogue")


def test_parameters_of_a_new_objective_import_no_keras():
    code = "import sys, tests.extending.bpr; print('keras' in sys.modules)"
    run = subprocess.run(  # noqa: S603 (fixed code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
