"""The batches, negatives and views that parameters choose."""

import numpy as np
import pytest

from tests.training.tiny import N_ITEMS, model_inputs, parameters
from two_tower.negatives.base import Positives
from two_tower.negatives.log_q import ExactFrequencies, StreamingFrequencies
from two_tower.training.batches.pairs import PairBatches
from two_tower.training.batches.windows import WindowBatches
from two_tower.training.loader import (
    build_batches,
    build_sampler,
    build_source,
)
from two_tower.training.model import build_towers

DRAWS = np.random.default_rng(0)

PROFILE = {"history": {"kind": "none"}, "profile": {"use": True}}
INTERESTS = {
    "history": {"kind": "multi_interest"},
    "objective": {"kind": "interest_softmax"},
    "negatives": {"kind": "in_batch"},
}


def window_batches(*changes, preset="mean", histories=None):
    asked = parameters(*changes, preset=preset)
    inputs = model_inputs(asked, histories=histories)
    return build_batches(asked, inputs, build_towers(asked, inputs))


def test_a_window_wider_than_every_bucket_is_refused():
    narrow = {"batches": {"bucket_boundaries": [4, 6]}}
    with pytest.raises(ValueError, match=r"has 8 items, .*\[4, 6\]; add a boundary"):
        window_batches(narrow)


def test_more_items_than_the_widest_bucket_are_refused():
    many = {"history": {"multi_interest": {"max_items": 9}}}
    with pytest.raises(ValueError, match=r"has 9 items, .*\[4, 8\]; add a boundary"):
        window_batches(INTERESTS, many)


def test_batches_of_histories_have_the_configured_options():
    batches = window_batches({"seed": 7})
    assert isinstance(batches, WindowBatches)
    assert (
        batches.boundaries,
        batches.tokens_per_batch,
        batches.chunk,
        batches.seed,
    ) == (
        [4, 8],
        64,
        32,
        7,
    )


def test_batches_of_pairs_have_the_configured_options():
    batches = window_batches(PROFILE, {"batches": {"pairs": 20, "logits_chunk": 8}})
    assert isinstance(batches, PairBatches)
    assert (batches.size, batches.max_queries) == (20, 24)


def test_a_chunk_is_no_larger_than_a_batch_of_pairs():
    assert window_batches(PROFILE, {"batches": {"pairs": 20}}).max_queries == 20


@pytest.mark.parametrize(("longest", "boundaries"), [(2, [2]), (4, [4]), (7, [4, 7])])
def test_the_last_bucket_is_as_wide_as_the_longest_window(longest, boundaries):
    assert (
        window_batches(histories=[[2, 3], list(range(2, 3 + longest))]).boundaries
        == boundaries
    )


def test_a_queue_smaller_than_a_batch_is_refused_before_training():
    # Batches of histories shorter than any bucket have more queries: 32 of 3.
    small = {"negatives": {"kind": "queue", "queue": {"size": 80}}}
    with pytest.raises(ValueError, match=r"size is 80 .* a batch of up to 96 queries"):
        window_batches(
            small, {"batches": {"logits_chunk": 8}}, histories=[[2, 3, 4], [5, 6]]
        )


def sampler_of(*changes):
    asked = parameters(*changes)
    inputs = model_inputs(asked)
    sampler = build_sampler(asked, inputs, build_towers(asked, inputs).item_tower)
    users, items = inputs.sequences.pairs()
    return sampler, set(items[users == 2].tolist())  # what user 2 consumed


def batch_of_user_2(sampler):
    batch = {
        "users": np.int32([2]),
        "rows": np.int32([0, 0]),
        "labels": np.int32([5, 6]),
        "weights": np.float32([1, 1]),
    }
    sampler.extend(batch, np.random.default_rng(0))
    return batch


@pytest.mark.parametrize("masked", [True, False])
def test_consumed_items_of_the_catalogue_are_excluded_if_asked_for(masked):
    sampler, consumed = sampler_of({"masks": {"consumed": masked}})
    batch = batch_of_user_2(sampler)
    assert ("excluded" in batch) is masked
    if masked:
        found = set(sampler.catalogue[batch["excluded"][0]].tolist())
        assert found == consumed


@pytest.mark.parametrize("masked", [True, False])
def test_consumed_samples_have_no_weight_if_asked_for(masked):
    uniform = {"kind": "uniform", "uniform": {"count": 0, "per_positive": 50}}
    sampler, consumed = sampler_of(
        {"masks": {"consumed": masked}, "negatives": uniform}
    )
    batch = batch_of_user_2(sampler)
    weighted = set(batch["candidates"][batch["candidate_weights"] > 0].tolist())
    assert bool(weighted & consumed) is not masked
    assert weighted - consumed


def source_of(*changes):
    asked = parameters(*changes)
    return build_source(asked, model_inputs(asked))


def test_the_catalogue_needs_no_source():
    assert source_of() is None


POSITIVES = Positives(
    np.int32([2, 3, 4, 0]), np.int32([5, 6, 5, 0]), np.float32([1, 1, 1, 0])
)


# covers: L17
@pytest.mark.parametrize(
    ("negatives", "options", "shape"),
    [
        ("in_batch", {}, (16,)),
        ("uniform", {"count": 0, "per_positive": 5}, (4, 5)),
        ("uniform", {"count": 9, "per_positive": 0}, (9,)),
        ("popular", {"count": 0, "per_positive": 5}, (4, 5)),
        ("popular", {"count": 9, "per_positive": 0}, (9,)),
        ("unconsumed", {"per_positive": 5}, (4, 5)),
        ("low_rated", {"per_positive": 5, "uniform": 2}, (4, 7)),
        ("queue", {"size": 100}, (100,)),
        ("mixed", {"count": 7}, (23,)),
    ],
)
def test_each_source_samples_the_configured_number(negatives, options, shape):
    source = source_of({"negatives": {"kind": negatives, negatives: options}})
    found = source.sample(POSITIVES, DRAWS)
    assert found.ids.shape == shape


# covers: L17
def test_the_unconsumed_are_none_of_the_users_items():
    asked = parameters({"negatives": {"kind": "unconsumed"}})
    inputs = model_inputs(asked)
    source = build_source(asked, inputs)
    users, items = inputs.sequences.pairs()
    own = set(items[users == 2].tolist())
    for _ in range(20):
        assert not own & set(source.sample(POSITIVES, DRAWS).ids[0].tolist())


@pytest.mark.parametrize("others", [4, 0])
def test_users_who_dislike_nothing_get_other_items_or_none(others):
    asked = {"per_positive": 5, "uniform": others}
    source = source_of({"negatives": {"kind": "low_rated", "low_rated": asked}})
    found = source.sample(POSITIVES, DRAWS)
    assert set(found.ids[0, :5].tolist()) <= {4, 25}  # user 2 dislikes these
    assert not found.weights[1, :5].any()  # user 3 dislikes none
    assert bool(found.weights[1].any()) == bool(others)


# covers: L18
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", type(None)),
        ("exact", ExactFrequencies),
        ("streaming", StreamingFrequencies),
    ],
)
def test_log_q_comes_from_where_it_was_asked(kind, expected):
    asked = parameters({"negatives": {"kind": "in_batch"}, "log_q": {"kind": kind}})
    found = asked.log_q.chosen.build(np.array([0, 0, 30, 10]), seed=1)
    assert type(found) is expected


# covers: L18
def test_exact_log_q_is_the_share_of_positives():
    asked = parameters({"negatives": {"kind": "in_batch"}, "log_q": {"kind": "exact"}})
    found = asked.log_q.chosen.build(np.array([0, 0, 30, 10]), seed=1)
    shares = np.exp(found.log_share(np.arange(4)))
    np.testing.assert_allclose(shares, [1e-8, 1e-8, 0.75, 0.25], rtol=1e-5)


def views_of(pattern, **item_tower):
    asked = parameters(
        {"self_supervision": {"kind": pattern}, "item_tower": item_tower}
    )
    inputs = model_inputs(asked)
    tower = build_towers(asked, inputs).item_tower
    return tower, build_sampler(asked, inputs, tower).views


# covers: L21 L22 L23
@pytest.mark.parametrize("pattern", ["rfm", "rfm-complementary", "cfm"])
def test_views_mask_half_of_the_features_that_are_not_numbers(pattern):
    tower, draw = views_of(pattern)
    views = draw(DRAWS)
    assert len(views.items) == 16
    assert set(views.items.tolist()) <= set(range(2, N_ITEMS))
    number = tower.parts.index("length")
    for side in (views.left, views.right):
        assert side.shape == (16, 4)
        assert side[:, number].all()
    assert (~views.left[0]).sum() == 1  # of id, genres and year


# covers: L24
def test_the_left_view_masks_features_most_informative_of_the_seed():
    tower, draw = views_of("cfm")
    left = [draw(np.random.default_rng(seed)).left[0] for seed in range(40)]
    lacking = {tower.parts[np.argmin(kept)] for kept in left}
    # By FEATURE_INFORMATION: of the id the year, of the others the id.
    assert lacking == {"id", "year"}


# covers: L21
def test_no_view_is_possible_of_items_without_features_to_leave_out():
    numbers_alone = {"features": {"genres": False, "year": False}}
    with pytest.raises(ValueError, match=r"only \['id'\] are maskable"):
        views_of("rfm", **numbers_alone)
