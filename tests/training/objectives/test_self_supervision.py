"""Self-supervision beside a main objective, against float64 arithmetic."""

import numpy as np
import pytest

from tests.training.fit_tiny import CHUNK, N_ITEMS, build_towers, pair_batches, walks
from tests.training.interests import make_towers
from tests.training.interests import objective_of as interest_softmax
from tests.training.objectives.scores import TEMPERATURE, log_sum_exp, loss_of, unit
from two_tower.negatives.in_batch import InBatch
from two_tower.towers.features import Feature
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.views import Views
from two_tower.training.objectives.self_supervision import SelfSupervised
from two_tower.training.objectives.softmax import SharedSoftmax

MAIN = SharedSoftmax(mask_hits=True, chunk=CHUNK)


# covers: L25
@pytest.mark.backend
def test_self_supervision_adds_alpha_times_the_views_mean_loss():
    features = {
        "genre": Feature("categorical", 6, 1),
        "year": Feature("categorical", 5, 1),
    }
    towers = build_towers("profile", features=features)
    ids = np.arange(N_ITEMS)[:, None]
    towers.item_tower.set_features({"genre": 2 + ids % 4, "year": 2 + ids % 3})
    left, right = np.array([[1, 0, 1]] * 5, bool), np.array([[0, 1, 1]] * 5, bool)
    views = Views(np.int32([2, 5, 9, 10, 11]), left, right)
    sampler = BatchSampler(source=InBatch(4, None), views=lambda rng: views)
    batch = next(iter(pair_batches(walks(3), size=16, sampler=sampler)))

    tower = towers.item_tower
    parts = [np.asarray(f.table, np.float64) for f in tower.features.values()]
    chosen = [parts[0][2 + views.items % 4], parts[1][2 + views.items % 3]]
    own = np.asarray(tower.table, np.float64)[views.items]
    logits = unit(chosen[0] + own) @ unit(chosen[1] + own).T / TEMPERATURE
    of_views = (log_sum_exp(logits) - np.diagonal(logits)).mean()
    expected = loss_of(MAIN, towers, batch) + 0.3 * batch["weights"].sum() * of_views
    found = loss_of(SelfSupervised(MAIN, 0.3), towers, batch)
    assert found == pytest.approx(expected, rel=1e-4)


def test_its_metrics_are_those_of_the_main_objective():
    towers, main = make_towers(), interest_softmax()
    assert SelfSupervised(main, 0.3).metrics(towers) == main.metrics(towers)
