"""The multi-interest objective, with the towers it trains."""

import keras
import numpy as np
import pytest

from tests.gradients import value_and_gradients
from tests.towers.multi_interest.build import DIMENSION
from tests.training.fit_tiny import optimizer_of, state_of
from tests.training.interests import (
    LABELS,
    N_GENRES,
    N_ITEMS,
    NO_AUXILIARY,
    TEMPERATURE,
    WEIGHTS,
    batch_of,
    defined,
    loss_and_metrics,
    make_towers,
    objective_of,
    posteriors_of,
)
from two_tower.negatives.consumed import Consumed
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.log_q import ExactFrequencies, log_share_of_rows
from two_tower.negatives.mixed import Mixed
from two_tower.negatives.queue import Queue
from two_tower.negatives.uniform import Uniform
from two_tower.training.alarms import TrainingError
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.fit import fit
from two_tower.training.objectives.multi_interest import SoftMaxTemperature
from two_tower.training.objectives.softmax import SharedSoftmax

ITEMS = np.arange(2, N_ITEMS, dtype=np.int32)
FREQUENCIES = ExactFrequencies(log_share_of_rows(np.arange(N_ITEMS)))
SOURCES = {
    "in_batch": lambda: InBatch(4, FREQUENCIES),
    "queue": lambda: Queue(16, FREQUENCIES),
    "unique_queue": lambda: Queue(16, None, unique=True),
    "mixed": lambda: Mixed(ITEMS, 6, 4, FREQUENCIES),
    "uniform": lambda: Uniform(ITEMS, 6, per_query=False, log_q=True),
}
# JAX compiles each case again, so it tests one of the sources.
ON_BOTH = pytest.param("queue", marks=pytest.mark.backend)


@pytest.fixture(scope="module")
def towers():
    return make_towers()


def assert_defined(objective, towers, batch):
    loss, metrics = loss_and_metrics(objective, towers, batch)
    expected_loss, expected = defined(towers, batch, objective)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert set(metrics) == set(expected)
    for name, value in metrics.items():
        np.testing.assert_allclose(value, expected[name], 1e-5, 1e-6, err_msg=name)


# covers: A42, A43, A44, A48, A49, X3
@pytest.mark.parametrize(
    "source", [ON_BOTH, *(name for name in SOURCES if name != "queue")]
)
@pytest.mark.parametrize("joint", [True, False])
def test_loss_and_metrics_follow_the_definition(towers, source, joint):
    batch = batch_of(SOURCES[source](), n_samples=2)
    assert_defined(objective_of(joint=joint), towers, batch)


# covers: A43
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("assignment", ["mixture", "any"])
def test_positives_may_be_assigned_to_whichever_vector_explains_them(
    towers, joint, assignment
):
    batch = batch_of(SOURCES["queue"](), n_samples=2)
    assert_defined(objective_of(joint=joint, assignment=assignment), towers, batch)


# covers: A33, A43
@pytest.mark.backend
def test_positives_may_be_assigned_to_the_nearest_vector(towers):
    batch = batch_of(SOURCES["queue"](), n_samples=2)
    assert_defined(objective_of(assignment="nearest"), towers, batch)


@pytest.mark.parametrize(
    ("progress", "soft_max_temperature"), [(0.0, 1.0), (0.5, 0.3), (1.0, 0.09)]
)
def test_the_soft_max_temperature_falls_geometrically_from_start_to_end(
    progress, soft_max_temperature
):
    found = SoftMaxTemperature(1.0, 0.09).at(np.float32(progress))
    np.testing.assert_allclose(found, soft_max_temperature, 1e-6)


# covers: A42, A48
def test_one_vector_of_several_heads_follows_the_definition():
    towers = make_towers(n_vectors=1)
    objective = objective_of(semantic_temperature=0.8, confident=0.4)
    assert_defined(objective, towers, batch_of(Queue(16, None)))


# covers: A38
def test_accidental_hits_are_masked(towers):
    batch = batch_of(Queue(16, None), n_samples=3)
    assert (batch["candidates"] == np.array(LABELS)[:, None])[:-1].any(axis=1).all()
    assert_defined(objective_of(), towers, batch)


# covers: L20
def test_consumed_items_are_masked_but_never_the_own_item(towers):
    users, items = np.repeat(np.arange(6), 3), np.tile([2, 5, 8], 6)
    consumed = Consumed.from_pairs(users, items, n_users=6, n_items=N_ITEMS)
    batch = batch_of(Queue(16, None), consumed=consumed)
    assert_defined(objective_of(), towers, batch)


# covers: A39, X3
@pytest.mark.backend
def test_hard_candidates_count_if_they_share_the_first_head_of_the_positive(towers):
    batch = batch_of(Queue(16, None, hard=9), n_samples=3)
    objective = objective_of(hard=9)
    assert_defined(objective, towers, batch)
    # By hand: the first heads of all categories, and which of the nine agree.
    heads = posteriors_of(towers).argmax(axis=1)
    assert len(set(heads[LABELS])) > 1
    agree = heads[batch["candidates"][:9]] == heads[LABELS][:6, None]
    agree &= batch["candidates"][:9] != np.array(LABELS)[:6, None]
    counts = agree.sum(axis=1)
    _, metrics = loss_and_metrics(objective, towers, batch)
    assert metrics["hard_count_min"] == counts.min()
    assert metrics["hard_count_max"] == counts.max() > counts.min()


# covers: A40
def test_the_weights_of_a_unique_queue_count_repeated_ids(towers):
    batch = batch_of(Queue(30, None, hard=2, unique=True), n_samples=2)
    _, metrics = loss_and_metrics(objective_of(hard=2), towers, batch)
    # Two samples of six queries; two of them have label 2: it is there four times.
    assert metrics["negative_weight_min"] == pytest.approx(1 / 4)
    assert metrics["negative_weight_max"] == pytest.approx(1 / 2)


# covers: A42, A44
@pytest.mark.parametrize("source", [ON_BOTH, "in_batch", "mixed", "uniform"])
def test_one_vector_without_auxiliary_losses_is_the_shared_softmax(source):
    towers = make_towers(n_vectors=1)
    batch = batch_of(SOURCES[source](), n_samples=2)
    extras = {"margin": 0.0, "auxiliary": NO_AUXILIARY}
    objectives = (
        objective_of(**extras),
        SharedSoftmax(mask_hits=True, chunk=1),
    )
    router = towers.history_encoder.category_router.prototypes  # trained by neither
    variables = [v for v in towers.trainable_variables if v is not router]
    (loss, gradients), (expected, others) = (
        value_and_gradients(
            lambda o=objective: o(
                towers, batch, temperature=TEMPERATURE, training=False
            )[0],
            variables,
        )
        for objective in objectives
    )
    np.testing.assert_allclose(loss, expected, 1e-5)
    for gradient, other in zip(gradients, others, strict=True):
        np.testing.assert_allclose(gradient, other, 1e-4, 1e-5)


def table_gradient(objective, towers, batch):
    table = towers.item_tower.table
    _, (gradient,) = value_and_gradients(
        lambda: objective(towers, batch, temperature=TEMPERATURE, training=True)[0],
        [table],
    )
    return gradient


# covers: A35, A36
@pytest.mark.backend
def test_queued_ids_are_embedded_with_current_weights_and_learn():
    towers, queue = make_towers(), Queue(12, None)
    batch_of(queue, labels=[4] * 7)
    batch = batch_of(queue)
    batch["items"] = np.where(batch["items"] == 4, 2, batch["items"])
    assert 4 in batch["candidates"]
    assert 4 not in batch["labels"]
    objective = objective_of()
    assert table_gradient(objective, towers, batch)[4].any()
    before, _ = loss_and_metrics(objective, towers, batch)
    row = np.zeros(towers.item_tower.table.shape, np.float32)
    row[4] = 0.5
    towers.item_tower.table.assign_add(row)
    assert loss_and_metrics(objective, towers, batch)[0] != pytest.approx(before)
    assert_defined(objective, towers, batch)


# covers: A37
def test_empty_entries_of_the_queue_change_nothing(towers):
    objective = objective_of()
    short, long = (batch_of(Queue(size, None)) for size in (7, 40))
    assert (long["candidate_weights"][:33] == 0).all()
    found, expected = (loss_and_metrics(objective, towers, b)[0] for b in (long, short))
    assert found == pytest.approx(expected, rel=1e-6)
    gradients = [table_gradient(objective, towers, batch) for batch in (long, short)]
    np.testing.assert_allclose(*gradients, 1e-4, 1e-6)


# covers: A42, A49
def test_padding_changes_nothing_but_its_share(towers):
    batch = batch_of(Queue(16, None))
    loss, metrics = loss_and_metrics(objective_of(), towers, batch)
    changed = batch | {"labels": np.array([*LABELS[:-1], 6], np.int32)}
    again, others = loss_and_metrics(objective_of(), towers, changed)
    assert again == pytest.approx(loss, rel=1e-6)
    assert float(others["real_queries"]) == pytest.approx(6 / 7)
    for name, value in metrics.items():
        np.testing.assert_allclose(others[name], value, 1e-6, err_msg=name)


def test_a_batch_of_padding_alone_costs_nothing(towers):
    weights = np.zeros(len(WEIGHTS), np.float32)
    batch = batch_of(Queue(16, None))
    loss, _ = loss_and_metrics(objective_of(), towers, batch | {"weights": weights})
    assert loss == 0


# covers: A49, A50
@pytest.mark.backend
@pytest.mark.parametrize("hard", [0, 3])
def test_each_declared_metric_is_returned(towers, hard):
    objective = objective_of(hard=hard)
    declared = [metric.name for metric in objective.metrics(towers)]
    _, metrics = loss_and_metrics(
        objective, towers, batch_of(Queue(16, None, hard=hard))
    )
    assert sorted(declared) == sorted(metrics)


# covers: A44
def test_the_assignment_to_vectors_trains_the_category_router(towers):
    batch = batch_of(Queue(16, None))
    prototypes = towers.history_encoder.category_router.prototypes
    _, (gradient,) = value_and_gradients(
        lambda: objective_of(auxiliary=NO_AUXILIARY)(
            towers, batch, temperature=TEMPERATURE, training=True
        )[0],
        [prototypes],
    )
    assert np.abs(gradient).max() > 1e-4


@pytest.mark.parametrize("assignment", ["category", "nearest"])
def test_a_learned_temperature_has_a_gradient(towers, assignment):
    batch = batch_of(Queue(16, None))
    temperature = keras.Variable(TEMPERATURE)

    def loss():
        return objective_of(assignment=assignment)(
            towers, batch, temperature=temperature.value, training=False
        )[0]

    _, (gradient,) = value_and_gradients(loss, [temperature])
    assert np.isfinite(gradient)
    assert gradient != 0


class FourBatches:
    """Four batches with one set of queries, while the queue fills up."""

    n_positives, max_queries = 4 * sum(WEIGHTS), len(LABELS)

    def begin(self, epoch):
        queue = Queue(16, FREQUENCIES, hard=4)
        self.batches = [batch_of(queue) for _ in range(4)]

    def __iter__(self):
        if not hasattr(self, "batches"):
            self.begin(0)
        return iter(self.batches)

    def __len__(self):
        return 4

    def state(self):
        return {}

    def restore(self, state):
        pass


def train(towers, folder, *, clip="each", epochs=3, **options):
    optimizer = optimizer_of("adam", 0.02, beta_2=0.99, clip_norm=1.0, clip=clip)
    objective = objective_of(hard=4, **options)
    state = state_of(towers, FourBatches(), objective=objective, optimizer=optimizer)
    store = CheckpointStore(folder)
    return fit(state, None, epochs=epochs, validate_every=1, store=store)


# covers: A48, A49
@pytest.mark.backend
def test_training_learns_and_records_its_metrics(tmp_path):
    towers = make_towers()
    objective = objective_of(hard=4)
    records = train(towers, tmp_path)
    assert records[-1]["loss"] < 0.8 * records[0]["loss"]
    declared = {metric.name for metric in objective.metrics(towers)}
    for record in records:
        assert declared <= set(record)
        assert all(np.isfinite(record[name]) for name in declared)
        parts = ("load_balancing", 0.5), ("entropy", 0.7), ("semantic", 2.0)
        total = record["nll"] + sum(weight * record[name] for name, weight in parts)
        assert record["loss"] == pytest.approx(total, rel=1e-5)


# covers: X10
def test_heads_that_collapse_while_training_stop_it(tmp_path):
    towers = make_towers()
    router = towers.history_encoder.category_router
    # All categories are alike: one prototype is near, the others are its opposite.
    towers.item_tower.features["genre"].table.assign(np.ones((N_GENRES, DIMENSION)))
    prototypes = -np.ones((router.n_prototypes, DIMENSION))
    prototypes[0] = 1
    router.prototypes.assign(prototypes)
    router.temperature = 0.05
    with pytest.raises(TrainingError, match="4 heads have collapsed into one"):
        train(towers, tmp_path, epochs=1, auxiliary=NO_AUXILIARY)


# covers: X10
def test_items_that_all_have_one_head_stop_training(tmp_path):
    towers = make_towers()
    router = towers.history_encoder.item_router
    # All items are alike: one prototype is near, the others are its opposite.
    towers.item_tower.table.assign(np.ones(towers.item_tower.table.shape))
    towers.item_tower.features["genre"].table.assign(np.ones((N_GENRES, DIMENSION)))
    prototypes = -np.ones((router.n_prototypes, DIMENSION))
    prototypes[0] = 1
    router.prototypes.assign(prototypes)
    router.temperature = 0.05
    with pytest.raises(TrainingError, match=r"4 heads .* items of all histories"):
        train(towers, tmp_path, epochs=1)


# covers: A49
def test_one_vector_has_no_metrics_of_vectors():
    names = [one.name for one in objective_of().metrics(make_towers(n_vectors=1))]
    assert "vector_likeness" not in names


def test_the_step_can_be_compiled_with_xla(tmp_path):
    towers = make_towers()
    state = state_of(towers, FourBatches(), objective=objective_of(), jit_compile=True)
    records = fit(
        state, None, epochs=2, validate_every=1, store=CheckpointStore(tmp_path)
    )
    assert records[1]["loss"] < records[0]["loss"]
