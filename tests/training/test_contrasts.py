import numpy as np
import pytest
from two_tower.training.objective.single_vector import (
    calibrated_cross_entropy,
    full_softmax,
    own_softmax,
    pairwise,
    self_supervised,
    shared_softmax,
)

from tests.training.tiny import (
    N_ITEMS,
    model_inputs,
    parameters,
)
from two_tower.losses.pointwise import max_margin, sigmoid_cross_entropy
from two_tower.negatives.base import Positives
from two_tower.negatives.log_q import ExactFrequencies, StreamingFrequencies
from two_tower.training import contrasts
from two_tower.training.assembly import assemble_towers

DRAWS = np.random.default_rng(0)


def objective_of(*changes):
    return contrasts.assemble_objective(parameters(*changes), np.arange(N_ITEMS) > 1)


def test_full_softmax_is_the_default():
    objective = objective_of()
    assert objective.func is full_softmax
    assert objective.keywords["chunk"] == 32
    assert objective.keywords["smoothing"] == 0


@pytest.mark.parametrize("hits", [True, False])
def test_candidates_of_the_batch_are_shared(hits):
    objective = objective_of(
        {"negatives": {"kind": "in_batch"}, "masks": {"hits": hits}}
    )
    assert objective.func is shared_softmax
    asked = {"mask_hits": hits, "chunk": 32, "smoothing": 0.0}
    assert objective.keywords == asked


def test_candidates_of_each_query_are_its_own():
    assert objective_of({"negatives": {"kind": "unconsumed"}}).func is own_softmax


@pytest.mark.parametrize("negatives", ["catalogue", "in_batch", "unconsumed"])
def test_every_softmax_is_smoothed(negatives):
    smoothed = {"objective": {"softmax": {"smoothing": 0.1}}}
    objective = objective_of({"negatives": {"kind": negatives}}, smoothed)
    assert objective.keywords["smoothing"] == 0.1


# covers: L2
@pytest.mark.parametrize(
    ("name", "loss", "options"),
    [
        ("sigmoid_cross_entropy", sigmoid_cross_entropy, {}),
        ("max_margin", max_margin, {"margin": 0.7}),
        ("gbce", calibrated_cross_entropy, {"calibration": 0.5, "n_items": 40}),
    ],
)
def test_losses_of_pairs_get_their_options(name, loss, options):
    asked = {"max_margin": {"margin": 0.7}, "gbce": {"calibration": 0.5}}
    changes = {"objective": {"kind": name, **asked}, "negatives": {"kind": "uniform"}}
    objective = objective_of(changes)
    assert objective.func is pairwise
    found = objective.keywords["loss"]
    assert getattr(found, "func", found) is loss
    assert getattr(found, "keywords", {}) == options


# covers: L21 L25
def test_self_supervision_is_added_to_the_softmax():
    objective = objective_of({"self_supervision": {"kind": "rfm", "alpha": 0.4}})
    assert objective.func is self_supervised
    assert objective.keywords["alpha"] == 0.4
    assert objective.keywords["main"].func is full_softmax


def source_of(*changes):
    asked = parameters(*changes)
    return contrasts.assemble_source(asked, model_inputs(asked), N_ITEMS)


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
def test_each_source_draws_as_many_as_were_asked_for(negatives, options, shape):
    source = source_of({"negatives": {"kind": negatives, negatives: options}})
    found = source.sample(POSITIVES, DRAWS)
    assert found.ids.shape == shape


# covers: L17
def test_the_unconsumed_are_none_of_the_users_items():
    asked = parameters({"negatives": {"kind": "unconsumed"}})
    inputs = model_inputs(asked)
    source = contrasts.assemble_source(asked, inputs, N_ITEMS)
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
    found = contrasts.assemble_frequencies(asked, np.array([0, 0, 30, 10]))
    assert type(found) is expected


# covers: L18
def test_exact_log_q_is_the_share_of_positives():
    asked = parameters({"negatives": {"kind": "in_batch"}, "log_q": {"kind": "exact"}})
    found = contrasts.assemble_frequencies(asked, np.array([0, 0, 30, 10]))
    shares = np.exp(found.log_share(np.arange(4)))
    np.testing.assert_allclose(shares, [1e-8, 1e-8, 0.75, 0.25], rtol=1e-5)


def views_of(pattern, **item_tower):
    asked = parameters(
        {"self_supervision": {"kind": pattern}, "item_tower": item_tower}
    )
    inputs = model_inputs(asked)
    tower = assemble_towers(asked, inputs).item_tower
    return tower, contrasts.assemble_views(asked, tower, inputs)


# covers: L21 L22 L23
@pytest.mark.parametrize("pattern", ["rfm", "rfm-complementary", "cfm"])
def test_views_leave_out_half_of_what_is_no_number(pattern):
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
def test_the_left_view_lacks_what_tells_most_of_the_seed():
    tower, draw = views_of("cfm")
    left = [draw(np.random.default_rng(seed)).left[0] for seed in range(40)]
    lacking = {tower.parts[np.argmin(kept)] for kept in left}
    # By FEATURE_INFORMATION: of the id the year, of the others the id.
    assert lacking == {"id", "year"}


# covers: L21
def test_no_view_is_possible_of_items_without_features_to_leave_out():
    numbers_alone = {"features": {"genres": False, "year": False}}
    with pytest.raises(ValueError, match=r"only \['id'\] can be left out of a view"):
        views_of("rfm", **numbers_alone)
