import pytest

from tests.training.fit_tiny import walks
from tests.training.tiny import N_ITEMS, model_inputs, parameters
from two_tower.training import assembly
from two_tower.training.loader import build_batches
from two_tower.training.model import build_towers
from two_tower.training.task import RetrievalTask, StackedTask

PROFILE = {"history": {"kind": "none"}, "profile": {"use": True}}


def validation_of(*changes, held_out):
    asked = parameters(*changes)
    inputs = model_inputs(asked, held_out=held_out)
    towers = build_towers(asked, inputs)
    return assembly.build_validation(asked, inputs.examples, towers)


def test_without_held_out_users_there_is_no_validation():
    assert validation_of(held_out=[]) is None


# covers: L26
def test_validation_is_as_asked():
    asked = {"validation": {"sample_users": 5, "tokens_per_batch": 30, "item_block": 7}}
    found = validation_of(asked, held_out=walks(20, N_ITEMS))
    assert len(found.examples) == 5
    assert (found.tokens_per_batch, found.item_block, found.boundaries) == (
        30,
        7,
        [4, 8],
    )


@pytest.mark.parametrize(
    ("change", "kind", "steps"),
    [
        ({}, RetrievalTask, 4),
        (PROFILE, StackedTask, 1),
        (PROFILE | {"backend": "jax"}, RetrievalTask, 4),
    ],
)
def test_steps_of_pairs_are_stacked_on_tensorflow(change, kind, steps):
    asked = parameters({"backend": "tensorflow", "steps_per_execution": 4}, change)
    inputs = model_inputs(asked)
    towers = build_towers(asked, inputs)
    batches = build_batches(asked, inputs, towers)
    state = assembly.build_state(asked, inputs, towers, batches, "print")
    assert type(state.task) is kind
    assert state.task.steps_per_execution == steps
    assert state.stack == 4 // steps


# covers: L19
def test_the_temperature_is_as_asked():
    asked = parameters({"scoring": {"temperature": {"start": 0.3, "learned": True}}})
    inputs = model_inputs(asked)
    towers = build_towers(asked, inputs)
    batches = build_batches(asked, inputs, towers)
    state = assembly.build_state(asked, inputs, towers, batches, "print")
    assert state.task.temperature.current == pytest.approx(0.3)
    assert len(state.task.temperature.trainable_weights) == 1
