import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics import definitions
from two_tower.metrics.ranks import (
    Scorer,
    dot_product_ranks,
    dot_scorer,
    item_indices,
    positive_ranks,
    ranks_in_lists,
    without_targets,
)
from two_tower.ragged import Ragged

NO_SEEN = Ragged.from_lists([[]])


def ranks(scores, targets, seen, item_block=4):
    """Rank items by one-dimensional vectors; every query is [1]."""
    items = np.asarray(scores, np.float32)[:, None]
    users = np.ones((len(targets), 1), np.float32)
    return dot_product_ranks(
        users,
        items,
        Ragged.from_lists(targets),
        Ragged.from_lists(seen),
        item_block=item_block,
    ).tolist()


def test_ranks_count_from_zero_and_leave_seen_items_out():
    scores = [0.1, 0.9, 0.5, 0.7, 0.3]
    assert ranks(scores, [[1], [4], [4]], [[], [], [1, 2]]) == [0, 3, 1]


def test_a_seen_positive_stays_a_candidate():
    assert ranks([3, 2, 1], [[1]], [[0, 1, 1, 2]]) == [0]


def test_a_seen_positive_ranks_before_a_lower_one():
    assert ranks([3, 2, 1], [[0, 2]], [[0, 1]]) == [0, 1]


def test_a_constant_scorer_gets_the_last_ranks():
    assert ranks([5] * 6, [[0], [3], [1, 4]], [[], [1, 2], []]) == [5, 3, 4, 5]


def test_positives_of_equal_score_rank_after_other_items_without_sharing_a_rank():
    assert ranks([1, 2, 2, 2, 0], [[1, 2]], [[]]) == [1, 2]


@pytest.mark.parametrize("item_block", [64, 4096])
def test_items_with_equal_vectors_tie_in_every_column(item_block):
    # A matrix product rounds differently at the edge of a block.
    rng = np.random.default_rng(0)
    items = np.tile(rng.random(128).astype(np.float32), (2047, 1))
    for column in range(0, 2047, 100):
        query = rng.random((1, 128)).astype(np.float32)
        target = Ragged.from_lists([[column]])
        found = dot_product_ranks(query, items, target, NO_SEEN, item_block=item_block)
        assert found.tolist() == [2046]


def test_scores_within_the_margin_tie():
    scores = np.array([[1.0, 1.25, 0.75, 0.5]], np.float32)
    scorer = Scorer(1, 4, lambda _, items: scores[:, items], np.float32([0.25]))
    target = Ragged.from_lists([[0]])
    assert positive_ranks(scorer, target, NO_SEEN, item_block=4).tolist() == [2]


def test_the_margin_of_a_dot_product_is_a_few_roundings_of_the_longest_item():
    items = np.array([[3, 4], [0, 1]], np.float32)
    margin = dot_scorer(np.array([[0, 2], [0, 0]], np.float32), items).margin
    np.testing.assert_allclose(margin, [4 * 2**-23 * 2 * 5, 0])
    short = dot_scorer(np.array([[0, 2]], np.float32), items / 10).margin
    np.testing.assert_allclose(short, [4 * 2**-23 * 2 / 2])


def test_a_user_with_very_many_positives_has_them_all_ranked():
    positives = list(range(0, 600, 2))
    assert ranks(range(600, 0, -1), [positives], [[]]) == positives


@st.composite
def problems(draw):
    """A table of scores with many ties, with targets and seen items of each user."""
    n_users = draw(st.integers(1, 6))
    n_items = draw(st.integers(1, 12))
    number = st.integers(-3, 3)
    row = st.lists(number, min_size=n_items, max_size=n_items)
    item = st.integers(0, n_items - 1)
    return (
        draw(st.lists(row, min_size=n_users, max_size=n_users)),
        [draw(st.lists(item, unique=True, max_size=4)) for _ in range(n_users)],
        [draw(st.lists(item, max_size=8)) for _ in range(n_users)],
    )


def ranks_of_table(scores, targets, seen, item_block):
    """Rank by a table of small whole scores, which float32 holds exactly."""
    scores = np.asarray(scores, np.float32)
    found = dot_product_ranks(
        scores,
        np.eye(scores.shape[1], dtype=np.float32),
        Ragged.from_lists(targets),
        Ragged.from_lists(seen),
        item_block=item_block,
    )
    return by_row(found, targets)


def by_row(ranks, targets):
    """The ranks of each row's positives in rising order."""
    rows = np.split(np.asarray(ranks), np.cumsum([len(row) for row in targets])[:-1])
    return [sorted(row.tolist()) for row in rows]


@given(problems(), st.integers(1, 13))
def test_ranks_follow_the_definition(problem, item_block):
    expected = [definitions.ranks(*user) for user in zip(*problem, strict=True)]
    assert ranks_of_table(*problem, item_block) == expected


@given(problems(), st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_items(problem, random):
    scores, targets, seen = problem
    old_index = list(range(len(scores[0])))
    random.shuffle(old_index)
    shuffled = ranks_of_table(
        [[row[i] for i in old_index] for row in scores],
        [[old_index.index(i) for i in row] for row in targets],
        [[old_index.index(i) for i in row] for row in seen],
        item_block=5,
    )
    assert shuffled == ranks_of_table(scores, targets, seen, item_block=5)


def test_many_queries_and_items_rank_as_in_float64():
    rng = np.random.default_rng(3)
    # Whole numbers, whose products float32 holds exactly.
    queries = rng.integers(-9, 10, (600, 16)).astype(np.float32)
    items = rng.integers(-9, 10, (900, 16)).astype(np.float32)
    targets = rng.integers(0, 900, (600, 1))
    seen = rng.integers(0, 900, (600, 30))
    scores = queries.astype(np.float64) @ items.T.astype(np.float64)
    own = np.take_along_axis(scores, targets, axis=1)
    np.put_along_axis(scores, seen, -np.inf, axis=1)
    np.put_along_axis(scores, targets, -np.inf, axis=1)
    found = dot_product_ranks(
        queries,
        items,
        Ragged.from_lists(targets),
        Ragged.from_lists(seen),
        item_block=256,
    )
    np.testing.assert_array_equal(found, (scores >= own).sum(axis=1))


def in_lists(lists, scores, targets, margin=0.0):
    margins = np.full(len(lists), margin, np.float32)
    found = ranks_in_lists(
        np.array(lists), np.float32(scores), Ragged.from_lists(targets), margins
    )
    return found.tolist()


def test_a_rank_in_a_list_is_infinite_outside_it():
    lists = [[7, 3, 9], [4, 0, -1]]
    scores = [[0.9, 0.5, 0.1], [0.8, 0.2, -np.inf]]
    assert in_lists(lists, scores, [[9, 7], [4]]) == [2, 0, 0]
    assert in_lists(lists, scores, [[5], [1, 0]]) == [np.inf, np.inf, 1]
    assert in_lists(lists, scores, [[], []]) == []


def test_equal_scores_in_a_list_take_the_worst_rank():
    lists, scores = [[5, 2, 8, 1]], [[0.5, 0.5, 0.5, 0.375]]
    assert in_lists(lists, scores, [[5]]) == [2]
    assert in_lists(lists, scores, [[5, 8]]) == [1, 2]
    assert in_lists(lists, scores, [[5]], margin=0.125) == [3]


@given(problems())
def test_the_whole_catalogue_as_a_list_gives_the_exact_ranks(problem):
    scores, targets, seen = problem
    orders = [definitions.ranked_list(*user) for user in zip(*problem, strict=True)]
    n_items = len(scores[0])
    lists = [order + [-1] * (n_items - len(order)) for order in orders]
    kept = np.take_along_axis(np.float32(scores), np.array(lists), axis=1)
    expected = ranks_of_table(scores, targets, seen, item_block=4)
    assert by_row(in_lists(lists, kept, targets), targets) == expected


def test_positives_are_removed_from_the_seen_items_of_their_query():
    seen = Ragged.from_lists([[4, 1, 4], [], [1, 2]])
    kept = without_targets(seen, Ragged.from_lists([[4, 0], [1], [3]]))
    assert kept.values.tolist() == [1, 1, 2]
    assert kept.offsets.tolist() == [0, 1, 1, 3]


def test_a_positive_of_one_query_stays_seen_by_another():
    seen = Ragged.from_lists([[5], [1]])
    kept = without_targets(seen, Ragged.from_lists([[1], [0]]))
    assert kept.values.tolist() == [5, 1]


def test_no_queries_have_no_ranks():
    assert ranks([1, 2], [], []) == []


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("item_block", [2, 8])
def test_a_score_that_is_not_a_number_is_refused(score, item_block):
    with pytest.raises(ValueError, match="score of queries 0 to 1 is NaN or infinite"):
        ranks([1, 2, 3, score], [[0], [1]], [[], []], item_block)


@pytest.mark.parametrize(
    ("targets", "seen", "message"),
    [
        ([[3]], [[]], r"1 targets are not among the 3 ranked items \(first: \[3\]\)"),
        ([range(3, 9)], [[]], r"6 targets .* \(first: \[3, 4, 5, 6, 7\]\)"),
        ([[-1]], [[]], "1 targets are not among"),
        ([[0]], [[-2]], "1 seen items are not among"),
        ([[0, 1, 0]], [[]], "1 targets are repeated in their row"),
        ([[0]], [[], []], "2 rows of seen items"),
    ],
)
def test_indices_that_do_not_fit_are_refused(targets, seen, message):
    with pytest.raises(ValueError, match=message):
        ranks([1, 2, 3], targets, seen)


def test_vectors_of_two_widths_are_refused():
    queries, items = np.ones((1, 3), np.float32), np.ones((2, 4), np.float32)
    with pytest.raises(ValueError, match="same last dimension"):
        dot_product_ranks(queries, items, NO_SEEN, NO_SEEN, item_block=8)


def test_vocabulary_indices_become_item_indices_without_reserved_ones():
    ids = Ragged.from_lists([[0, 2, 1], [], [1], [5, 2]])
    indices = item_indices(ids)
    assert indices.values.tolist() == [0, 3, 0]
    assert indices.offsets.tolist() == [0, 1, 1, 1, 3]


# covers: A33
@given(st.integers(1, 4), st.integers(1, 20), st.integers(0, 2**16))
def test_users_of_several_vectors_are_ranked_by_the_maximum_product(
    v, item_block, seed
):
    rng = np.random.default_rng(seed)
    users = rng.normal(size=(5, v, 6)).astype(np.float32)
    items = rng.normal(size=(40, 6)).astype(np.float32)
    targets = rng.integers(0, 40, (5, 1))
    scores = np.einsum("bvd,nd->bvn", users.astype(float), items.astype(float))
    expected = [
        definitions.ranks(row.max(axis=0), target, [])[0]
        for row, target in zip(scores, targets.tolist(), strict=True)
    ]
    found = dot_product_ranks(
        users,
        items,
        Ragged.from_lists(targets.tolist()),
        Ragged.from_lists([[]] * 5),
        item_block=item_block,
    )
    assert found.tolist() == expected


# covers: A33
def test_one_vector_per_user_is_scored_as_a_plain_query():
    rng = np.random.default_rng(1)
    users = rng.normal(size=(7, 16)).astype(np.float32)
    items = rng.normal(size=(50, 16)).astype(np.float32)
    plain, single = (dot_scorer(q, items) for q in (users, users[:, np.newaxis]))
    every = slice(0, 7), slice(0, 50)
    np.testing.assert_array_equal(single.block(*every), plain.block(*every))
    np.testing.assert_array_equal(single.margin, plain.margin)


def test_the_longest_of_several_vectors_sets_the_margin():
    users = np.array([[[0, 2], [1, 0]]], np.float32)
    margin = dot_scorer(users, np.array([[3, 4]], np.float32)).margin
    np.testing.assert_allclose(margin, [4 * 2**-23 * 2 * 5])
