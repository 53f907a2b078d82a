"""Every objective with every source of negatives, and everything else once, trains."""

import math

import pytest

from tests.training.fit_tiny import walks
from tests.training.tiny import N_ITEMS, parameters, train
from two_tower.training.checkpoints import CheckpointStore

pytestmark = pytest.mark.backend

SOURCES = [
    "in_batch",
    "uniform",
    "popular",
    "unconsumed",
    "low_rated",
    "queue",
    "mixed",
]
OBJECTIVES = ["softmax", "sigmoid_cross_entropy", "max_margin"]
COMBINATIONS = [
    ("softmax", "catalogue"),
    *((objective, source) for objective in OBJECTIVES for source in SOURCES),
]
PAIRS = {"history": {"kind": "none"}, "profile": {"use": True}}
BOTH = {"history": {"kind": "mean"}, "profile": {"use": True}}
INTERESTS = {
    "history": {"kind": "multi_interest"},
    "objective": {"kind": "interest_softmax"},
    "optimizer": {"learning_rate": 0.005},
}
HISTORIES = walks(30, N_ITEMS, seed=5)
# One shape of batches, which JAX compiles once.
ONE_SHAPE = {
    "batches": {"bucket_boundaries": [8]},
    "negatives": {"in_batch": {"block": 48}, "mixed": {"block": 48}},
}


def history_of(folder, *changes, held_out=()):
    asked = parameters({"epochs": 2}, ONE_SHAPE, *changes)
    store = CheckpointStore(folder / "checkpoints")
    _, history = train(
        folder, asked, store=store, histories=HISTORIES, held_out=held_out
    )
    return history


# covers: L1 L2 L17
@pytest.mark.parametrize(("objective", "negatives"), COMBINATIONS)
def test_every_objective_learns_from_every_source(objective, negatives, tmp_path):
    asked = {"objective": {"kind": objective}, "negatives": {"kind": negatives}}
    # All combinations on pairs: a step is compiled in no time.
    first, last = history_of(tmp_path, PAIRS, asked)
    assert last["loss"] < first["loss"]


SHARED = {"uniform": {"count": 20, "per_positive": 0}}
LAYERS = {"hidden_units": [12], "batch_norm": True, "dropout": 0.1}
DEEP = {"embedding": 8, "combine": "concat", "mlp": LAYERS}


# covers: L8 L10 L18 L19 L20 L21 L25
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(BOTH, id="history and profile"),
        pytest.param(BOTH | {"item_tower": DEEP, "fusion": LAYERS}, id="layers"),
        pytest.param(
            {"negatives": {"kind": "mixed"}, "log_q": {"kind": "exact"}},
            id="exact log q",
        ),
        pytest.param(
            {"negatives": {"kind": "queue"}, "log_q": {"kind": "streaming"}},
            id="streaming log q",
        ),
        pytest.param({"negatives": {"kind": "uniform", **SHARED}}, id="shared draws"),
        pytest.param({"masks": {"consumed": True}}, id="catalogue less consumed"),
        pytest.param(
            {"negatives": {"kind": "in_batch"}, "masks": {"consumed": True}},
            id="batch less consumed",
        ),
        pytest.param(
            {"negatives": {"kind": "uniform"}, "masks": {"consumed": True}},
            id="own draws less consumed",
        ),
        pytest.param(
            {
                "objective": {"kind": "max_margin"},
                "negatives": {"kind": "queue"},
                "masks": {"consumed": True},
            },
            id="pairs less consumed",
        ),
        pytest.param(
            {"scoring": {"temperature": {"learned": True}}}, id="learned temperature"
        ),
        pytest.param({"scoring": {"normalise": False}}, id="dot product"),
        pytest.param({"self_supervision": {"kind": "rfm"}}, id="rfm"),
        pytest.param(
            {"negatives": {"kind": "in_batch"}, "self_supervision": {"kind": "cfm"}},
            id="cfm",
        ),
        pytest.param({"steps_per_execution": 3}, id="three steps at a time"),
    ],
)
def test_every_option_learns_from_histories(change, tmp_path):
    first, last = history_of(tmp_path, change)
    assert last["loss"] < first["loss"]


FEW = {"negatives": {"kind": "queue", "queue": {"hard": 60, "unique": True}}}
OFTEN = {"negatives": {"kind": "queue", "queue": {"hard": 60}}}


def of_history(**options):
    return {"history": {"multi_interest": options}}


# covers: X3
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([{"negatives": {"kind": "in_batch"}}], id="batch"),
        pytest.param(
            [{"negatives": {"kind": "mixed"}, "log_q": {"kind": "exact"}}], id="mixed"
        ),
        pytest.param([{"negatives": {"kind": "uniform", **SHARED}}], id="uniform"),
        pytest.param([OFTEN, {"log_q": {"kind": "streaming"}}], id="queue"),
        pytest.param([FEW, {"masks": {"consumed": True}}], id="less consumed"),
        pytest.param([FEW, of_history(n_vectors=1)], id="one vector"),
        pytest.param(
            [FEW, {"objective": {"interest_softmax": {"assignment": "any"}}}],
            id="whichever vector",
        ),
        pytest.param(
            [
                FEW,
                of_history(
                    events={
                        "request_time": True,
                        "user_id": [{"buckets": 53, "dimension": 8}],
                    },
                    attention={"position_bias": True},
                    heads={"routing": "straight_through", "equalise": True},
                ),
            ],
            id="request and user",
        ),
        pytest.param(
            [
                FEW,
                of_history(
                    attention={"kind": "queries"},
                    heads={"routing": "hard", "norm": "unit", "prior": False},
                    aggregation={"query": "heads", "temperature": 0.5},
                ),
                {
                    "objective": {
                        "interest_softmax": {"joint": False, "assignment": "any"}
                    }
                },
            ],
            id="by queries",
        ),
    ],
)
def test_every_option_learns_interests(changes, tmp_path):
    first, last = history_of(tmp_path, INTERESTS, *changes)
    assert last["loss"] < first["loss"]


def test_history_and_profile_are_validated_together(tmp_path):
    held_out = walks(9, N_ITEMS, seed=9)
    *_, last = history_of(tmp_path, BOTH, held_out=held_out)
    assert math.isfinite(last["val_mrr"])


# covers: L13
@pytest.mark.parametrize("preset", ["tfrs-basic", "libreco-two-tower"])
def test_the_presets_of_pairs_learn(preset, tmp_path):
    asked = parameters(
        {"epochs": 3, "dimension": 32, "jit_compile": False}, preset=preset
    )
    store = CheckpointStore(tmp_path / "checkpoints")
    _, history = train(tmp_path, asked, store=store, histories=HISTORIES)
    assert history[-1]["loss"] < history[0]["loss"]
