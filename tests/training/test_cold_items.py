"""Held-out cold items are not negatives: nothing of training ever meets them."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.fit_tiny import walks
from tests.training.tiny import N_ITEMS, model_inputs, parameters
from two_tower.ragged import Ragged
from two_tower.training import assembly
from two_tower.training.loader import build_batches, build_source
from two_tower.training.model import build_towers
from two_tower.training.objectives.softmax import FullSoftmax

# Forty real items, of which users have only met the first thirty.
COLD = range(32, N_ITEMS)
CONTENT_ONLY = {"item_tower": {"use_id": False}}


def inputs_of(asked):
    histories = walks(80, 32, seed=5)
    return model_inputs(asked, histories=histories, unknown_items=COLD)


def first_batch(asked):
    inputs = inputs_of(asked)
    towers = build_towers(asked, inputs)
    batches = build_batches(asked, inputs, towers)
    return towers, next(iter(batches))


# covers: X11
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uniform", {"count": 500, "per_positive": 0}),
        ("uniform", {"count": 0, "per_positive": 50}),
        ("popular", {"count": 500, "per_positive": 0, "exponent": 0.0}),
        ("unconsumed", {"per_positive": 50}),
        ("low_rated", {"per_positive": 5, "uniform": 50}),
        ("mixed", {"count": 500}),
    ],
)
def test_no_source_samples_a_cold_item(name, options):
    _, batch = first_batch(parameters({"negatives": {"kind": name, name: options}}))
    is_drawn = batch["candidate_weights"] > 0
    found = set(batch["candidates"][is_drawn].tolist())
    assert found == set(range(2, 32))


# covers: L18
@pytest.mark.parametrize("name", ["uniform", "unconsumed", "mixed"])
def test_log_q_counts_only_trained_items(name):
    options = {"uniform": {"count": 9, "per_positive": 0}}
    change = {"negatives": {"kind": name, **options}, "log_q": {"kind": "exact"}}
    asked = parameters(change)
    inputs = inputs_of(asked)
    users, items = inputs.sequences.pairs()
    _, batch = first_batch(asked)
    log_q = batch["candidate_log_q"]
    if name == "uniform":
        np.testing.assert_allclose(np.exp(log_q), 9 / 30, rtol=1e-5)
    elif name == "unconsumed":
        n_met = {u: len(set(items[users == u])) for u in set(users.tolist())}
        n_left = [30 - n_met[u] for u in batch["users"][batch["rows"]].tolist() if u]
        is_real = batch["weights"] > 0
        expected = 4 / np.array(n_left[: is_real.sum()])
        np.testing.assert_allclose(np.exp(log_q[is_real, 0]), expected, rtol=1e-5)
    else:
        counts = inputs.sequences.count_positives(N_ITEMS)
        n_places = (batch["weights"] > 0).sum()
        expected = n_places * counts / counts.sum() + 16 / 30
        ids = batch["candidates"][batch["candidate_weights"] > 0]
        found = np.exp(log_q[batch["candidate_weights"] > 0])
        np.testing.assert_allclose(found, expected[ids], rtol=1e-4)


# covers: X11
@pytest.mark.backend
def test_the_catalogue_has_no_column_for_a_cold_item():
    asked = parameters(CONTENT_ONLY)
    towers, batch = first_batch(asked)
    objective = assembly.build_objective(asked, inputs_of(asked))
    assert isinstance(objective, FullSoftmax)

    def loss():
        return float(objective(towers, batch, temperature=0.2, training=False)[0])

    before = loss()
    lengths = towers.item_tower.features["length"].values
    changed = np.asarray(lengths).copy()
    changed[list(COLD)] += 5.0
    lengths.assign(changed)
    assert loss() == before
    changed[5] += 5.0
    lengths.assign(changed)
    assert loss() != before


# covers: L23
def test_views_are_of_trained_items():
    change = {"self_supervision": {"kind": "rfm", "items": 200}}
    _, batch = first_batch(parameters(change))
    assert set(batch["views_items"].tolist()) == set(range(2, 32))


def test_low_rated_negatives_need_an_explicit_negative():
    asked = parameters({"negatives": {"kind": "low_rated"}})
    inputs = inputs_of(asked)
    nothing = Ragged(
        inputs.explicit_negatives.values[:0], inputs.explicit_negatives.offsets * 0
    )
    with pytest.raises(
        ValueError, match=r"explicit_negatives\.max_rating.*\.min_rating"
    ):
        build_source(asked, replace(inputs, explicit_negatives=nothing))
