"""The objective that parameters choose, with its options."""

import pytest

from tests.training.tiny import model_inputs, parameters
from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy
from two_tower.training import assembly
from two_tower.training.objectives.single_vector import (
    full_softmax,
    own_softmax,
    pairwise,
    self_supervised,
    shared_softmax,
)


def objective_of(*changes):
    asked = parameters(*changes)
    return assembly.build_objective(asked, model_inputs(asked))


def test_full_softmax_is_the_default():
    objective = objective_of()
    assert objective.func is full_softmax
    assert objective.keywords["chunk"] == 32


@pytest.mark.parametrize("hits", [True, False])
def test_candidates_of_the_batch_are_shared(hits):
    objective = objective_of(
        {"negatives": {"kind": "in_batch"}, "masks": {"hits": hits}}
    )
    assert objective.func is shared_softmax
    asked = {"mask_hits": hits, "chunk": 32}
    assert objective.keywords == asked


def test_candidates_of_each_query_are_its_own():
    assert objective_of({"negatives": {"kind": "unconsumed"}}) is own_softmax


# covers: L2
@pytest.mark.parametrize(
    ("name", "loss", "options"),
    [
        ("sigmoid_cross_entropy", sigmoid_cross_entropy, {}),
        ("max_margin", max_margin, {"margin": 0.7}),
    ],
)
def test_losses_of_pairs_get_their_options(name, loss, options):
    asked = {"max_margin": {"margin": 0.7}}
    changes = {"objective": {"kind": name, **asked}, "negatives": {"kind": "uniform"}}
    objective = objective_of(changes)
    assert objective.func is pairwise
    found = objective.keywords["loss"]
    assert getattr(found, "func", found) is loss
    assert getattr(found, "keywords", {}) == options


# covers: L21 L25
def test_self_supervision_is_added_to_the_softmax():
    objective = objective_of({"self_supervision": {"kind": "rfm", "alpha": 0.4}})
    assert objective.func is self_supervised
    assert objective.keywords["alpha"] == 0.4
    assert objective.keywords["main"].func is full_softmax
