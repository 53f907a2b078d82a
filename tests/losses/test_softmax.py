from dataclasses import replace
from math import exp, log

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gradients import assert_same_as, traced_shapes, with_gradients
from tests.losses.cases import (
    any_case,
    cross_entropy,
    hand_case,
    loss_function,
    unit,
)
from two_tower.negatives.base import Positives, whole_catalogue
from two_tower.negatives.in_batch import InBatch
from two_tower.negatives.log_q import ExactFrequencies, log_share_of_rows

pytestmark = pytest.mark.backend

BOTH = pytest.mark.parametrize("mask_hits", [False, True])


def named(case):
    """Return the named arguments of the definition."""
    taken = ("labels", "ids", "query_weights", "column_weights", "log_q", "own_log_q")
    return {name: getattr(case, name) for name in (*taken, "excluded", "rows")}


def assert_follows_the_definition(case, **options):
    """Compare loss and gradients, the temperature's too, with the definition's."""
    # The temperature is a tensor too, as when it is learned.
    arguments = case.arguments()
    inputs = [keras.Variable(arguments[index]) for index in (0, 1, 2, 9)]

    def loss():
        *vectors, temperature = (variable.value for variable in inputs)
        function = loss_function(chunk=4, **options)
        return function(*vectors, *arguments[3:9], temperature, *arguments[10:])

    def reference(*values):
        return cross_entropy(*values, **named(case), **options)

    assert_same_as(reference, loss, inputs)


def assert_same(found, expected):
    """Compare a loss and its gradients with another's."""
    np.testing.assert_allclose(found[0], expected[0], 1e-5, 1e-6)
    for gradient, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(gradient, other, 1e-5, 1e-6)


# covers: Q9, L5, L19, N9
@BOTH
def test_the_loss_and_its_gradients_follow_the_definition(mask_hits):
    case = any_case()
    case.query_weights[:] = [1, 2, 0.5, 1, 1, 1, 0, 0]
    case.column_weights[:] = [1, 0, 2, 1, 0.25, 1, 1]
    assert_follows_the_definition(case, mask_hits=mask_hits)


# covers: L20, X3
@BOTH
def test_with_exclusions_too_and_rows_may_have_several_queries(mask_hits):
    case = any_case()
    case.column_weights[:] = [1, 0, 2, 1, 0.25, 1, 1]
    excluded = np.random.default_rng(3).random((3, 7)) < 0.4
    case = case.excluding(excluded, rows=np.array([0, 0, 2, 2, 2, 1, 0, 1]))
    assert_follows_the_definition(case, mask_hits=mask_hits)


# covers: L19
def test_the_logarithm_of_a_learned_temperature_has_the_right_gradient():
    case = any_case()
    log_temperature = keras.Variable(-1.5)

    def loss():
        arguments = case.arguments()
        arguments[9] = keras.ops.exp(log_temperature.value)
        return loss_function(mask_hits=True, chunk=4)(*arguments)

    def reference(exponent):
        vectors = case.arguments()[:3]
        return cross_entropy(*vectors, np.exp(exponent), **named(case), mask_hits=True)

    assert_same_as(reference, loss, [log_temperature])


# covers: Q9
def test_a_catalogue_of_two_by_hand():
    # Cosines 1 and 0 over the temperature ½ are the logits 2 and 0.
    axes = [[1, 0], [0, 1]]
    case = hand_case(
        axes, axes, positives=axes, labels=[2, 3], ids=[2, 3], q=[1, 1], own_q=[1, 1]
    )
    loss = case.loss(mask_hits=False, temperature=0.5, chunk=2)
    assert loss == pytest.approx(2 * log(1 + exp(-2)), rel=1e-5)


# covers: L18
def test_a_rare_column_is_raised_and_only_after_the_temperature():
    # The negative's logit is -1/½ - log ½, the own item's 1/½ - log ¼.
    case = hand_case(
        [[1, 0]],
        [[-1, 0]],
        positives=[[1, 0]],
        labels=[2],
        ids=[3],
        q=[1 / 2],
        own_q=[1 / 4],
    )
    negative, own = 2 * exp(-2), 4 * exp(2)
    loss = case.loss(mask_hits=True, temperature=0.5, chunk=1)
    assert loss == pytest.approx(log((negative + own) / own), rel=1e-5)


# covers: L20, N10
def test_a_repeat_of_the_own_item_gets_no_probability():
    # Columns 0 and 1 hold one item, so rows 0 and 1 compete with column 2 only.
    vectors = [[1, 0], [1, 0], [0, 1]]
    case = hand_case(
        vectors,
        vectors,
        positives=vectors,
        labels=[7, 7, 9],
        ids=[7, 7, 9],
        q=[1, 1, 1],
        own_q=[1, 1, 1],
    )
    loss, gradients = case.loss_and_gradients(mask_hits=True, temperature=0.5, chunk=3)
    one_negative, two_negatives = log(1 + exp(-2)), log(1 + 2 * exp(-2))
    assert loss == pytest.approx(2 * one_negative + two_negatives, rel=1e-5)
    # Of columns 0 and 1 only row 2, which lies on the second axis, makes a negative.
    to_columns = gradients[2]
    assert to_columns[:2, 0].tolist() == [0, 0]
    assert (to_columns[:2, 1] > 0).all()


# covers: L18, L20, N10
def test_a_hit_is_masked_however_near_and_however_rare_it_is():
    case = any_case().take_queries([0] * 8)
    case.columns[:], case.ids[:], case.log_q[:] = case.queries[0], 5, log(1e-8)
    case.labels[:] = 5
    loss, gradients = case.loss_and_gradients(mask_hits=True, temperature=0.01)
    assert loss == 0
    assert not any(gradient.any() for gradient in gradients)


# covers: L5
def test_without_masking_a_repeat_counts_as_often_as_it_is_sampled():
    # Each of the 7 columns is the own item itself: a share of one seventh.
    case = any_case().take_columns([0] * 7)
    case.positives[:], case.labels[:] = case.columns[0], case.ids[0]
    case.own_log_q[:] = case.log_q[0]
    assert case.loss(mask_hits=False) == pytest.approx(8 * log(7), rel=1e-5)


# covers: L5, L18, L20, N9, N10
@BOTH
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16))
def test_in_batch_logits_are_the_diagonal_softmax_of_the_paper(mask_hits, seed):
    case = any_case(seed)
    log_shares = np.log(np.random.default_rng(seed).dirichlet(np.ones(6)))
    sampled = InBatch(7, ExactFrequencies(np.float32(log_shares))).sample(
        Positives(case.labels, case.labels, case.query_weights),
        np.random.default_rng(0),
    )
    of_item = np.zeros((6, 3), np.float32)
    of_item[case.labels] = case.positives
    batch = replace(
        case,
        columns=of_item[sampled.ids],
        ids=sampled.ids,
        column_weights=sampled.weights,
        log_q=sampled.log_q,
        own_log_q=sampled.own_log_q,
    )
    logits = np.float64(case.queries) @ case.positives.T / 0.5
    logits -= log_shares[case.labels]
    is_hit = (case.labels[:, None] == case.labels) & ~np.eye(8, dtype=bool)
    logits[is_hit & mask_hits] = -np.inf
    losses = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
    found = batch.loss(mask_hits=mask_hits)
    np.testing.assert_allclose(found, losses.sum(), 1e-5, 1e-6)


# covers: L18
def test_an_item_that_training_never_saw_keeps_everything_finite():
    case = any_case()
    log_shares = log_share_of_rows(np.array([0, 0, 5, 0, 0, 0]))
    case.log_q[:], case.own_log_q[:] = log_shares[case.ids], log_shares[case.labels]
    loss, gradients = case.loss_and_gradients(mask_hits=True, temperature=0.05)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


# covers: X2
@pytest.mark.parametrize(("mask_hits", "chunk"), [(False, 1), (True, 8)])
def test_the_chunk_changes_nothing(mask_hits, chunk):
    case = any_case()
    expected = case.loss_and_gradients(mask_hits=mask_hits, chunk=4)
    assert_same(case.loss_and_gradients(mask_hits=mask_hits, chunk=chunk), expected)


# covers: X2
@BOTH
def test_no_tensor_spans_queries_and_catalogue(mask_hits):
    n_queries, n_columns, chunk = 24, 37, 4
    case = any_case(n_queries=n_queries, n_columns=n_columns)
    function = loss_function(mask_hits=mask_hits, chunk=chunk)
    shapes = traced_shapes(function, 3, case.arguments())
    assert (chunk, n_columns) in shapes, "the trace does not see the chunks"
    assert max(np.prod(np.abs(shape)) for shape in shapes) == chunk * n_columns


# covers: X2, X3
@BOTH
def test_exclusions_are_taken_a_chunk_at_a_time(mask_hits):
    # Two rows of exclusions for 24 queries: [queries, columns] is never made of them.
    excluded, rows = np.zeros((2, 37), bool), np.repeat([0, 1], 12)
    case = any_case(n_queries=24, n_columns=37).excluding(excluded, rows)
    function = loss_function(mask_hits=mask_hits, chunk=4)
    shapes = traced_shapes(function, 3, case.arguments())
    assert max(np.prod(np.abs(shape)) for shape in shapes) == 4 * 37


# covers: X2
@pytest.mark.parametrize("excluded", [None, np.eye(8, 7, dtype=bool)])
def test_a_compiled_step_has_the_same_loss_and_gradients(excluded):
    case = any_case() if excluded is None else any_case().excluding(excluded)
    function = loss_function(mask_hits=True, chunk=4)
    compiled = with_gradients(function, 3, compile_it=True)
    assert_same(compiled(*case.arguments()), case.loss_and_gradients(mask_hits=True))


# covers: L20, N10, X3
@BOTH
def test_an_excluded_column_is_as_good_as_absent(mask_hits):
    case = any_case()
    case.ids[0] = 99  # an item that is no query's own
    far = replace(case, columns=case.columns.copy(), log_q=case.log_q.copy())
    far.columns[0], far.log_q[0] = 100, -20  # it would win, were it there
    without = np.zeros((8, 7), bool)
    without[:, 0] = True
    loss, gradients = far.excluding(without).loss_and_gradients(mask_hits=mask_hits)
    rest = case.take_columns(slice(1, None)).loss_and_gradients(mask_hits=mask_hits)
    assert_same((loss, [*gradients[:2], gradients[2][1:]]), rest)
    assert not gradients[2][0].any()


# covers: L20, X3
@BOTH
def test_a_query_whose_negatives_are_all_excluded_has_zero_loss(mask_hits):
    # Only its own item is left; each stands among the columns once.
    case = any_case().take_columns([0] * 7)
    case.ids[:], case.columns[:] = range(2, 9), unit(np.eye(7, 3) + 0.1)
    case.labels[:] = [2, 3, 4, 5, 6, 7, 8, 2]
    case.positives[:], case.own_log_q[:] = case.columns[case.labels - 2], case.log_q[0]
    case = case.excluding(np.ones((8, 7), bool))
    loss, gradients = case.loss_and_gradients(mask_hits=mask_hits, temperature=0.01)
    assert loss == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(gradients[0], 0, atol=1e-4)


# covers: Q10
@BOTH
def test_padding_at_the_end_changes_nothing_and_gets_no_gradient(mask_hits):
    case = any_case()
    padded = case.take_queries([*range(8), 0, 0, 0, 0])
    padded.labels[8:], padded.query_weights[8:] = 0, 0
    padded.queries[8:], padded.positives[8:] = 100, -100
    loss, gradients = padded.loss_and_gradients(mask_hits=mask_hits)
    real = [gradients[0][:8], gradients[1][:8], gradients[2]]
    assert_same((loss, real), case.loss_and_gradients(mask_hits=mask_hits))
    assert not gradients[0][8:].any()
    assert not gradients[1][8:].any()


@BOTH
def test_padding_within_a_chunk_stays_finite_at_any_temperature(mask_hits):
    # A padded query's own item is in no column, so all of its columns may be far
    # below it: nothing may be divided by the sum of their exponentials.
    case = any_case()
    case.query_weights[-1], case.labels[-1] = 0, 0
    case.positives[-1] = case.queries[-1]
    case.columns[:] = -case.queries[-1]
    loss, gradients = case.loss_and_gradients(mask_hits=mask_hits, temperature=1e-3)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert not gradients[0][-1].any()


@BOTH
def test_padding_may_stand_anywhere(mask_hits):
    case = any_case()
    shuffled = case.take_queries([7, 0, 6, 5, 1, 4, 3, 2])
    case.query_weights[4:] = 0
    shuffled.query_weights[[0, 2, 3, 5]] = 0
    found = shuffled.loss(mask_hits=mask_hits)
    assert found == pytest.approx(case.loss(mask_hits=mask_hits), rel=1e-5)


@BOTH
def test_a_batch_of_padding_alone_has_zero_loss(mask_hits):
    case = replace(any_case(), query_weights=np.zeros(8, np.float32))
    loss, gradients = case.loss_and_gradients(mask_hits=mask_hits)
    assert loss == 0
    assert not any(gradient.any() for gradient in gradients)


# covers: Q9
@BOTH
def test_equal_scores_cost_the_log_of_the_number_of_items(mask_hits):
    case = any_case()
    case.queries[:] = case.positives[:] = case.columns[:] = [1, 0, 0]
    case.log_q[:] = case.own_log_q[:] = 0
    case.ids[:] = [2, 3, 4, 5, 6, 7, 8]
    loss = case.loss(mask_hits=mask_hits, temperature=0.05)
    assert loss == pytest.approx(8 * log(7), rel=1e-5)


@BOTH
def test_a_column_of_weight_two_is_two_columns(mask_hits):
    twice = any_case().take_columns([0, 1, 2, 3, 4, 5, 5])
    once = twice.take_columns([0, 1, 2, 3, 4, 5, 0])
    once.column_weights[5:] = [2, 0]
    found = once.loss(mask_hits=mask_hits)
    assert found == pytest.approx(twice.loss(mask_hits=mask_hits), rel=1e-5)


@BOTH
def test_a_column_of_weight_zero_is_not_there_at_all(mask_hits):
    case = any_case()
    other = replace(case, columns=case.columns.copy(), ids=case.ids.copy())
    case.column_weights[0] = other.column_weights[0] = 0
    other.columns[0], other.ids[0] = 100, 99
    found = other.loss_and_gradients(mask_hits=mask_hits)
    assert_same(found, case.loss_and_gradients(mask_hits=mask_hits))
    assert not found[1][2][0].any()


# covers: L5, L20, Q10
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16), st.permutations(range(8)), st.permutations(range(7)))
@pytest.mark.parametrize("mask_hits", [False, True])
def test_neither_the_order_of_queries_nor_of_columns_matters(
    mask_hits, seed, rows, columns
):
    case = any_case(seed)
    found = case.take_queries(rows).take_columns(columns).loss(mask_hits=mask_hits)
    assert found == pytest.approx(case.loss(mask_hits=mask_hits), rel=1e-5, abs=1e-6)


# covers: Q9, L20
def test_over_a_whole_catalogue_masking_makes_no_difference():
    # Every item is there once: what is masked is what counts as the own item.
    case = any_case().take_columns([0] * 7)
    case.columns[:] = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0]]
    case.labels[:] = [2, 3, 4, 5, 6, 7, 8, 2]
    case.positives[:] = case.columns[case.labels - 2]
    ids, weights, log_q, own_log_q = map(
        np.asarray, whole_catalogue(np.ones(9, bool), case.labels)[:4]
    )
    case = replace(case, ids=ids, column_weights=weights)
    case = replace(case, log_q=log_q, own_log_q=own_log_q)
    masked = case.loss_and_gradients(mask_hits=True)
    unmasked = case.loss_and_gradients(mask_hits=False)
    assert masked[0] == pytest.approx(unmasked[0], rel=1e-5)
    np.testing.assert_allclose(
        masked[1][0], unmasked[1][0], 1e-5, 1e-6, err_msg="gradient in the queries"
    )


def test_queries_that_fill_no_chunk_are_refused():
    with pytest.raises(ValueError, match=r"8 queries.*multiple.*chunk.*3"):
        any_case().loss(mask_hits=False, chunk=3)
