"""The objective that parameters choose, with its options."""

import pytest

from tests.training.tiny import model_inputs, parameters
from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy
from two_tower.training import assembly
from two_tower.training.objectives.pairwise import Pairwise
from two_tower.training.objectives.self_supervision import SelfSupervised
from two_tower.training.objectives.softmax import (
    FullSoftmax,
    OwnSoftmax,
    SharedSoftmax,
)


def objective_of(*changes):
    chosen = parameters(*changes)
    return assembly.build_objective(chosen, model_inputs(chosen))


def test_full_softmax_is_the_default():
    objective = objective_of()
    assert isinstance(objective, FullSoftmax)
    assert objective.chunk == 32


@pytest.mark.parametrize("hits", [True, False])
def test_candidates_of_the_batch_are_shared(hits):
    objective = objective_of(
        {"negatives": {"kind": "in_batch"}, "masks": {"hits": hits}}
    )
    assert objective == SharedSoftmax(mask_hits=hits, chunk=32)


def test_candidates_of_each_query_are_its_own():
    objective = objective_of({"negatives": {"kind": "unconsumed"}})
    assert isinstance(objective, OwnSoftmax)


# covers: L2
@pytest.mark.parametrize(
    ("kind", "loss", "options"),
    [
        ("sigmoid_cross_entropy", sigmoid_cross_entropy, {}),
        ("max_margin", max_margin, {"margin": 0.7}),
    ],
)
def test_pairwise_losses_get_their_options(kind, loss, options):
    objective = objective_of(
        {
            "objective": {"kind": kind, "max_margin": {"margin": 0.7}},
            "negatives": {"kind": "uniform"},
        }
    )
    assert isinstance(objective, Pairwise)
    assert getattr(objective.loss, "func", objective.loss) is loss
    assert getattr(objective.loss, "keywords", {}) == options


# covers: L21 L25
def test_self_supervision_is_added_to_the_softmax():
    objective = objective_of({"self_supervision": {"kind": "rfm", "alpha": 0.4}})
    assert isinstance(objective, SelfSupervised)
    assert objective.alpha == 0.4
    assert isinstance(objective.main, FullSoftmax)
