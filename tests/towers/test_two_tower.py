from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from tests.gradients import (
    assert_same_as,
    evaluated,
    gradient_function,
    value_and_gradients,
)
from tests.towers.build import (
    DIMENSION,
    EACH_TOWER,
    MAX_LENGTH,
    N_ITEMS,
    call_towers,
    history_towers,
    make_towers,
    new_item_tower,
    pad,
    queries_of,
    scatter_weights,
    shared_towers,
)
from tests.towers.definitions import mean_user, unit
from tests.towers.multi_interest.build import any_batch, make_tower
from two_tower.losses.softmax import score_shared, softmax_cross_entropy
from two_tower.negatives.base import whole_catalogue
from two_tower.towers.features import Feature
from two_tower.towers.two_tower import TwoTower

pytestmark = pytest.mark.backend

# They hold every item; row 2 is empty.
HISTORIES = [[3, 5, 2, 8], [4], [], [7, 7, 3, 2, 6, 5, 8, 4]]


@cache
def slopes_of(kind, dtype="float32"):
    """Return a function of a batch → gradient of its queries' first coordinates.

    It has an array for each trainable weight of `make_towers(kind, dtype=dtype)`.
    """
    towers = make_towers(kind, dtype=dtype)
    both = gradient_function(
        lambda items, lengths: ops.sum(
            towers({"items": items, "lengths": lengths})[:, 0]
        ),
        towers.trainable_weights,
    )
    return lambda *arrays: both(*arrays)[1]


# covers: L12
@EACH_TOWER
def test_queries_and_items_are_unit_vectors(kind):
    queries = queries_of(kind, HISTORIES)
    items = evaluated(shared_towers(kind).item_vectors)(np.arange(N_ITEMS))
    assert queries.shape == (4, DIMENSION)
    assert items.shape == (N_ITEMS, DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1, rtol=1e-5)


def interest_towers(**options):
    genre = {"genre": Feature("categorical", size=3, width=1)}
    encoder = make_tower(**options)
    width = {"dimension": encoder.dimension, "embedding": encoder.dimension}
    dtype = options.get("dtype", "float32")
    towers = history_towers(new_item_tower(genre, dtype=dtype, **width), encoder)
    towers.build()
    scatter_weights(towers)
    return towers


# covers: A32
@pytest.mark.parametrize(("n_vectors", "shape"), [(1, (3, 3)), (2, (3, 2, 3))])
def test_queries_of_several_interests_are_unit_vectors(n_vectors, shape):
    queries = evaluated(interest_towers(n_vectors=n_vectors))(any_batch())
    assert queries.shape == shape
    assert queries.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(queries, axis=-1), 1, rtol=1e-5)


def test_a_profile_beside_several_vectors_is_refused():
    width = {"dimension": 3, "embedding": 3}
    with pytest.raises(ValueError, match=r"2 vectors.*leave the profile out"):
        TwoTower(
            new_item_tower(**width),
            history_encoder=make_tower(),
            profile=new_item_tower(**width),
            fusion={"hidden_units": [], "batch_norm": False, "dropout": 0, "seed": 1},
            normalise=True,
        )


# covers: Q1, Q3, Q5, Q6, Q7, Q8, Q9, Q12
def test_the_mean_tower_trains_end_to_end_as_defined():
    towers = make_towers("mean")
    encoder = towers.history_encoder
    layers = [*encoder.hidden, encoder.output_layer]
    weights = [weight for layer in layers for weight in (layer.kernel, layer.bias)]
    labels = np.array([6, 2, 5, 3], np.int32)

    def loss():
        catalogue = towers.item_vectors(np.arange(N_ITEMS))
        logits = score_shared(
            towers(pad(HISTORIES)),
            ops.take(catalogue, labels, axis=0),
            labels,
            np.ones(4, np.float32),
            catalogue[2:],
            whole_catalogue(np.ones(N_ITEMS, bool), labels),
            temperature=0.5,
        )
        return softmax_cross_entropy(*logits, mask_hits=False, chunk=2)

    def reference(table, no_history, *layers):
        total = 0.0
        for history, label in zip(HISTORIES, labels, strict=True):
            user = mean_user(table[history], layers) if history else no_history
            logits = unit(table[2:]) @ unit(user) / 0.5
            total += np.log(np.exp(logits).sum()) - logits[label - 2]
        return total

    assert_same_as(
        reference, loss, [towers.item_tower.table, towers.no_history, *weights]
    )


# covers: Q4, Q7
@EACH_TOWER
def test_histories_and_candidates_train_one_table_without_padding(kind):
    towers = shared_towers(kind)
    names = [weight.path for weight in towers.trainable_weights]
    shapes = [weight.shape[0] for weight in towers.trainable_weights]
    assert shapes.count(N_ITEMS) == 1, names
    by_history = slopes_of(kind)(*pad(HISTORIES).values())[shapes.index(N_ITEMS)]
    _, (by_candidate,) = value_and_gradients(
        lambda: ops.sum(towers.item_vectors(np.array([6]))[0, 0]),
        [towers.item_tower.table],
    )
    assert by_history.any(axis=1).tolist() == [False] * 2 + [True] * (N_ITEMS - 2)
    assert np.flatnonzero(by_candidate.any(axis=1)).tolist() == [6]


# covers: Q12
@EACH_TOWER
def test_all_weights_learn_together(kind):
    gradients = slopes_of(kind)(*pad(HISTORIES).values())
    weights = shared_towers(kind).trainable_weights
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient.any(), weight.path


# covers: Q4
@EACH_TOWER
def test_the_padding_row_does_not_matter(kind):
    towers = make_towers(kind)
    table = np.asarray(towers.item_tower.table.value).copy()
    table[0] = 1e4
    towers.item_tower.table.assign(table)
    found = call_towers(towers)(*pad(HISTORIES).values())
    np.testing.assert_allclose(found, queries_of(kind, HISTORIES), 1e-5, 1e-6)


# covers: Q5
@EACH_TOWER
def test_an_empty_history_is_a_learned_vector_and_trains_nothing_else(kind):
    learned = shared_towers(kind).no_history
    empty = [[], [], [], []]
    expected = np.tile(unit(np.float64(learned.value)), (4, 1))
    np.testing.assert_allclose(queries_of(kind, empty), expected, 1e-5, 1e-6)
    gradients = slopes_of(kind)(*pad(empty).values())
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    learns = zip(shared_towers(kind).trainable_weights, gradients, strict=True)
    assert [weight.name for weight, g in learns if g.any()] == ["no_history"]


# covers: Q5
@EACH_TOWER
def test_an_empty_history_changes_no_other_query_of_its_batch(kind):
    found = queries_of(kind, [[3, 5], [], [4], []])
    expected = queries_of(kind, [[3, 5], [2], [4], [6, 6]])
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], 1e-5, 1e-6)
    np.testing.assert_array_equal(found[1], found[3])


# covers: Q10, X1
@EACH_TOWER
@settings(max_examples=10, deadline=None)
@given(
    histories=st.lists(
        st.lists(st.integers(1, N_ITEMS - 1), max_size=5), min_size=4, max_size=4
    )
)
def test_wider_padding_changes_no_query(kind, histories):
    wide = queries_of(kind, histories, width=MAX_LENGTH)
    narrow = queries_of(kind, histories, width=5)
    np.testing.assert_allclose(wide, narrow, 1e-5, 1e-6)


# covers: Q10
@EACH_TOWER
@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(4)))
def test_the_order_of_rows_in_a_batch_does_not_matter(kind, order):
    found = queries_of(kind, [HISTORIES[row] for row in order])
    np.testing.assert_allclose(found, queries_of(kind, HISTORIES)[order], 1e-5, 1e-6)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(HISTORIES[0]))
def test_the_mean_tower_ignores_the_order_of_a_history(order):
    found = queries_of("mean", [order, [], [], []])[0]
    np.testing.assert_allclose(found, queries_of("mean", HISTORIES)[0], 1e-5, 1e-6)


# covers: X1
def test_the_transformer_reads_the_order_of_a_history():
    found = queries_of("transformer", [HISTORIES[0][::-1], [], [], []])[0]
    expected = queries_of("transformer", HISTORIES)[0]
    assert not np.allclose(found, expected, rtol=0.01)


# covers: X1
@EACH_TOWER
def test_a_query_at_an_earlier_position_reads_no_later_item(kind):
    towers = shared_towers(kind)
    positions = np.array([0, 1, MAX_LENGTH], np.int32)  # row 0 twice, then row 1
    queries = evaluated(
        lambda items: towers.queries({"items": items, "positions": positions})
    )
    found = queries(pad([[3, 5, 7, 4], [4, 2]])["items"])
    expected = queries(pad([[3, 5, 2, 8], [4, 6]])["items"])
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: Q5
@EACH_TOWER
def test_positions_are_row_by_row_and_the_last_is_no_history(kind):
    towers = shared_towers(kind)
    newest = np.array([3, MAX_LENGTH, 4 * MAX_LENGTH, 4 * MAX_LENGTH - 1], np.int32)
    queries = evaluated(
        lambda items: towers.queries({"items": items, "positions": newest})
    )
    found = queries(pad(HISTORIES)["items"])
    np.testing.assert_allclose(found, queries_of(kind, HISTORIES), 1e-5, 1e-6)


# covers: Q2
def test_the_mean_tower_trains_each_position_as_a_shorter_history():
    towers, positions = shared_towers("mean"), np.arange(4, dtype=np.int32)
    queries = evaluated(
        lambda items: towers.queries({"items": items, "positions": positions})
    )
    found = queries(pad([HISTORIES[0]])["items"])
    cut = [HISTORIES[0][: t + 1] for t in range(4)]
    np.testing.assert_allclose(found, queries_of("mean", cut), 1e-5, 1e-6)


@EACH_TOWER
def test_half_precision_gives_float32_unit_vectors_near_the_exact_ones(kind):
    towers = make_towers(kind, dtype="mixed_bfloat16")
    assert {weight.dtype for weight in towers.trainable_weights} == {"float32"}
    queries = call_towers(towers)(*pad(HISTORIES).values())
    items = evaluated(towers.item_vectors)(np.arange(N_ITEMS))
    assert queries.dtype == items.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, rtol=1e-5)
    exact = queries_of(kind, HISTORIES)
    np.testing.assert_allclose(queries, exact, atol=0.05)
    assert (queries != exact)[[0, 1, 3]].any(), "nothing was computed in half precision"


def test_half_precision_has_finite_float32_gradients():
    gradients = slopes_of("transformer", "mixed_bfloat16")(*pad(HISTORIES).values())
    assert {gradient.dtype for gradient in gradients} == {np.dtype("float32")}
    assert all(np.isfinite(gradient).all() for gradient in gradients)


# covers: L11
def test_half_precision_moves_no_rating_to_another_bucket():
    towers = interest_towers(events={"rating_edges": [3.999]}, dtype="mixed_bfloat16")
    ratings = np.repeat(np.float32([[3.998], [4.0]]), 3, axis=1)  # both 4 in bfloat16
    batch = {
        name: np.concatenate([field, field])
        for name, field in any_batch([3], width=3).items()
    }
    below, above = evaluated(towers)(batch | {"ratings": ratings})
    assert not np.allclose(below, above)


def test_units_of_the_mean_tower_are_dropped_only_in_training():
    towers, batch = make_towers("mean", dropout=0.5), pad(HISTORIES).values()
    expected = queries_of("mean", HISTORIES)
    np.testing.assert_allclose(call_towers(towers)(*batch), expected, 1e-5, 1e-6)
    training = call_towers(towers, training=True)(*batch)
    moved = np.abs(training - expected).max(axis=1) > 1e-3
    assert moved.tolist() == [True, True, False, True]


def test_ids_of_history_items_are_dropped_only_in_training():
    towers, batch = make_towers("mean", id_dropout=0.9), pad(HISTORIES).values()
    expected = queries_of("mean", HISTORIES)
    np.testing.assert_allclose(call_towers(towers)(*batch), expected, 1e-5, 1e-6)
    training = call_towers(towers, training=True)(*batch)
    assert np.abs(training - expected).max() > 1e-3


# covers: X12
def test_one_seed_makes_the_same_towers():
    config, made = shared_towers("mean").get_config(), []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        towers = TwoTower.from_config(config)
        made.append(np.concatenate([w.ravel() for w in towers.get_weights()]))
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()


@EACH_TOWER
def test_the_configuration_rebuilds_the_towers(kind):
    towers = shared_towers(kind)
    config = towers.get_config()
    copy = TwoTower.from_config(config)
    assert config == towers.get_config(), "from_config changed what it was given"
    assert copy.get_config() == config
    copy.set_weights(towers.get_weights())
    found = call_towers(copy)(*pad(HISTORIES).values())
    np.testing.assert_allclose(found, queries_of(kind, HISTORIES), 1e-5, 1e-6)
