import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, value_and_gradients
from tests.towers.build import any_vectors, mask_of, scatter_weights
from tests.towers.multi_interest import definitions
from tests.towers.multi_interest.build import (
    AGE_EDGES,
    LENGTHS,
    POSITIVE,
    RATING_EDGES,
    any_batch,
    compiled,
)
from two_tower.towers.multi_interest.event_context import EventContext

pytestmark = pytest.mark.backend

D = 3
IS_REAL = mask_of(LENGTHS, 5)
CATEGORIES = any_vectors(3, 5, D)
USER_ID = [{"buckets": 3, "dimension": 2}, {"buckets": 2, "dimension": 4}]


def make_context(*, positive_rating=POSITIVE, user_id=None, keys=True):
    context = EventContext(
        D,
        max_length=4,
        positive_rating=positive_rating,
        rating_edges=RATING_EDGES,
        age_edges=AGE_EDGES,
        user_id=user_id,
        keys=keys,
    )
    context.build()
    scatter_weights(context)
    return context


def found_of(context, batch, part, categories=CATEGORIES):
    """Return one part of the context of a batch."""
    call = compiled(lambda *inputs: (getattr(context(*inputs), part),))
    return call(batch, categories)[0]


def tables_of(context):
    """Return the tables of ratings, ages, hours and days, W, and position logits."""
    times = context.times.tables
    return [
        context.ratings.tables["ratings"],
        context.ages.tables["ages"],
        times["hours"],
        times["days"],
        context.times.kernel,
        context.position_logits,
    ]


def bucket(value, edges):
    return sum(edge < value for edge in edges) + 1


def time_vector(hour, hours, days, kernel):
    """Return the vector of a whole hour since 1970, zeros if unknown."""
    if hour == 0:
        return np.zeros(D)
    weekday = (hour // 24 + 3) % 7  # from Monday; 1970 began on a Thursday
    return np.concatenate([hours[hour % 24 + 1], days[weekday + 1]]) @ kernel


def keys_by_definition(batch, categories, ratings, ages, *times):
    """Return `[n, 3D]` keys of the real events, row by row."""
    keys = []
    for event in zip(*np.nonzero(batch["items"]), strict=True):
        rating, age = batch["ratings"][event], int(batch["ages"][event])
        of_rating = 0 if np.isnan(rating) else ratings[bucket(rating, RATING_EDGES)]
        of_age = ages[bucket(age - 1, AGE_EDGES)] if age else 0
        of_time = time_vector(int(batch["hours"][event]), *times)
        mark = (of_rating + of_age) / 2 + np.zeros(D)
        keys.append(np.concatenate([mark, of_time, categories[event]]))
    return np.array(keys)


def queries_by_definition(batch, categories, hours, days, kernel, positions):
    """Return `[B, 2, D]`, the time and the category query of each row."""
    queries = []
    for row, n in enumerate(LENGTHS):
        requested = time_vector(int(batch["request_hours"][row]), hours, days, kernel)
        ratings = batch["ratings"][row, :n]
        positive = [
            t for t in range(n) if np.isnan(ratings[t]) or ratings[t] >= POSITIVE
        ]
        category = np.zeros(D)
        if positive:
            logits = [positions[min(n - 1 - t, len(positions) - 1)] for t in positive]
            category = definitions.softmax(np.array(logits)) @ categories[row, positive]
        queries.append([requested, category])
    return np.array(queries)


# covers: A9, A10, A11, A13
def test_keys_and_their_gradients_follow_the_definition():
    context, batch = make_context(), any_batch()
    categories = keras.Variable(CATEGORIES)
    along = any_vectors(3, 5, 3 * D, seed=1)

    def reference(categories, *tables):
        keys = keys_by_definition(batch, categories, *tables)
        return np.sum(keys * along[IS_REAL])

    assert_same_as(
        reference,
        lambda: ops.sum(
            context(batch, categories.value).keys * along * IS_REAL[..., None]
        ),
        [categories, *tables_of(context)[:-1]],
    )


# covers: A11, A12, A13
def test_queries_and_their_gradients_follow_the_definition():
    context, batch = make_context(), any_batch()
    categories = keras.Variable(CATEGORIES)
    along = any_vectors(3, 2, D, seed=1)

    def reference(categories, *tables):
        return np.sum(queries_by_definition(batch, categories, *tables) * along)

    assert_same_as(
        reference,
        lambda: ops.sum(context(batch, categories.value).queries * along),
        [categories, *tables_of(context)[2:]],
    )


# covers: A9
@pytest.mark.parametrize(
    ("positive_rating", "expected"),
    [(3.0, [3, 3, 1]), (4.5, [2, 2, 1]), (None, [4, 4, 1])],
)
def test_categories_of_positive_and_unrated_events_count(positive_rating, expected):
    batch = any_batch([4, 4, 1], width=4)
    batch["ratings"][:] = [[4.5, 3, 2, np.nan]] * 2 + [[np.nan] * 4]
    context, categories = make_context(positive_rating=positive_rating), np.eye(4)
    context.position_logits.assign(np.zeros(4))
    counted = found_of(
        context,
        batch,
        "queries",
        np.float32([categories[:, :3], *[categories[:, 1:]] * 2]),
    )[:, 1]
    # Each positive event has an equal share, in a category of its own.
    share = 1 / np.array(expected)
    assert np.isclose(counted[0, 0], share[0])
    assert np.isclose(counted[1, 2], share[1])
    assert not counted[2].any()  # its only event has the category of zeros


# covers: A10
def test_padding_and_unknown_ages_have_zero_vectors():
    context, batch = make_context(), any_batch()
    batch["ratings"][:] = np.nan
    batch["ages"][0] = [0, 1, 61, 62, 2**31 - 1]
    marks = found_of(context, batch, "keys")[..., :D]
    table = np.float64(context.ages.tables["ages"])
    expected = [np.zeros(D), table[1], table[1], table[2], table[3]]
    np.testing.assert_allclose(marks[0], np.array(expected) / 2, 1e-5, 1e-6)
    assert not marks[~IS_REAL].any()


# covers: A10
def test_unknown_values_and_padding_train_no_embedding():
    context, batch = make_context(), any_batch([5, 5, 5])
    batch["ratings"][:], batch["ages"][:], batch["hours"][:] = np.nan, 0, 0
    batch["request_hours"][:] = 0
    tables = tables_of(context)[:-1]
    _, gradients = value_and_gradients(
        lambda: (
            ops.sum(ops.square(context(batch, CATEGORIES).keys))
            + sum(ops.sum(table.value) for table in tables)
        ),
        tables,
    )
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 1)  # the gradient of those sums alone


# covers: A11
def test_one_table_serves_requests_and_events():
    context, batch = make_context(), any_batch()
    batch["request_hours"][:2] = batch["hours"][:2, 0] = [400_123, 400_456]
    times = found_of(context, batch, "keys")[:2, 0, D : 2 * D]
    requested = found_of(context, batch, "queries")[:2, 0]
    np.testing.assert_array_equal(times, requested)
    assert times.any()


# covers: A12
def test_positions_of_positive_events_count_from_the_newest_item():
    context, batch = make_context(), any_batch([4], width=4)
    batch["ratings"][0] = [5, 1, 5, 1]
    categories = np.eye(4, dtype=np.float32)[None, :, :3]
    weights = np.exp(np.float64(context.position_logits))
    expected = weights[3] / (weights[3] + weights[1])
    found = found_of(context, batch, "queries", categories)[0, 1]
    np.testing.assert_allclose(found, [expected, 0, 1 - expected], 1e-5, 1e-6)


# covers: A12
def test_without_positive_events_the_category_query_is_unknown():
    context, batch = make_context(), any_batch()
    batch["ratings"][:] = 1
    batch["request_hours"][:] = [0, 400_000, 400_000]
    assert not found_of(context, batch, "queries")[:, 1].any()
    known = found_of(context, batch, "is_known")
    np.testing.assert_array_equal(known, [[False] * 2, [True, False], [True, False]])


# covers: A14
def test_users_have_hashed_vectors_of_their_own():
    context, batch = make_context(user_id=USER_ID), any_batch()
    batch["users"][:] = [7, 2, 1]
    found = found_of(context, batch, "queries")[:, 2]
    tables, kernel = context.users.tables, np.float64(context.users.kernel)
    first, second = (np.float64(tables[f"users_{n}"]) for n in range(2))
    expected = [
        np.concatenate([first[7 % 3 + 1], second[7 % 2 + 1]]) @ kernel,
        np.concatenate([first[2 % 3 + 1], second[2 % 2 + 1]]) @ kernel,
        np.zeros(D),
    ]
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)


# covers: A14
def test_unknown_users_have_zero_vectors_and_unknown_queries():
    context, batch = make_context(user_id=USER_ID), any_batch()
    batch["users"][:] = [0, 1, 2]
    assert not found_of(context, batch, "queries")[:2, 2].any()
    known = found_of(context, batch, "is_known")
    np.testing.assert_array_equal(known[:, 2], [False, False, True])


def test_without_keys_there_are_no_weights_of_keys():
    context = make_context(keys=False)
    assert context(any_batch(), CATEGORIES).keys is None
    assert {weight.name for weight in context.weights} == {
        "hours",
        "days",
        "kernel",
        "position_logits",
    }


def test_half_precision_moves_no_rating_to_another_bucket():
    context = EventContext(
        D,
        max_length=4,
        positive_rating=3.0,
        rating_edges=[3.999],
        age_edges=AGE_EDGES,
        user_id=None,
        keys=True,
        dtype="mixed_bfloat16",
    )
    context.build()
    batch = any_batch([2], width=2)
    batch["ratings"][0], batch["ages"][0] = [3.998, 4.0], 0
    marks = np.float32(context(batch, CATEGORIES[:1, :2]).keys[..., :D])
    assert not np.allclose(marks[0, 0], marks[0, 1])


def test_the_configuration_rebuilds_the_layer():
    config = make_context(user_id=USER_ID).get_config()
    assert EventContext.from_config(config).get_config() == config
