import pytest
from pydantic import ValidationError

from tests.sequences.tables import parameters
from two_tower.features.registry import Features
from two_tower.pipelines.sequencing.params import (
    ExplicitNegatives,
    NewItems,
    NewUsers,
    Order,
    Selection,
    Split,
    Temporal,
)

YEAR_2000 = 946_684_800


def test_the_base_parameters_are_allowed_and_no_group_is_forgotten():
    base = parameters()
    assert set(base) == {
        "selection",
        "order",
        "split",
        "window",
        "explicit_negatives",
        "features",
    }
    Selection(**base["selection"])
    Order(**base["order"])
    Split(**base["split"])
    ExplicitNegatives(**base["explicit_negatives"])
    Features(**base["features"])


@pytest.mark.parametrize(
    ("validation", "test", "cuts"),
    [
        (0.8, 0.9, (0.8, 0.9)),
        ("2000-01-01", "2000-01-02", (YEAR_2000, YEAR_2000 + 86_400)),
        ("2000-01-01T01:00:00+01:00", 0.9, (YEAR_2000, 0.9)),
    ],
)
def test_cut_offs_are_shares_or_moments_in_utc(validation, test, cuts):
    assert Temporal(validation=validation, test=test).cuts == cuts


@pytest.mark.parametrize(
    ("validation", "test"),
    [
        (0.9, 0.8),
        (0.5, 0.5),
        ("2001-01-01", "2000-01-01"),
        (0.5, 1.5),
        (0.5, 978_300_000),
        (0.5, "soon"),
    ],
)
def test_other_cut_offs_are_refused(validation, test):
    with pytest.raises(ValidationError):
        Temporal(validation=validation, test=test)


@pytest.mark.parametrize(
    ("group", "more"), [(NewUsers, {"given": 0.5}), (NewItems, {})]
)
def test_something_must_be_left_to_train_on(group, more):
    with pytest.raises(ValidationError, match="left to train on"):
        group(validation=0.5, test=0.5, **more)


@pytest.mark.parametrize(
    ("positive", "explicit_negatives"), [(None, 2.0), (4.0, 4.0), (3.0, 3.5)]
)
def test_a_rating_can_not_be_a_positive_and_disliked(positive, explicit_negatives):
    selection = Selection(**parameters()["selection"] | {"min_rating": positive})
    with pytest.raises(
        ValueError, match=r"explicit_negatives\.max_rating .* must be below"
    ):
        ExplicitNegatives(max_rating=explicit_negatives).check_against(selection)


@pytest.mark.parametrize(("positive", "explicit_negatives"), [(None, None), (4.0, 3.5)])
def test_dislikes_below_the_positives_are_allowed(positive, explicit_negatives):
    selection = Selection(**parameters()["selection"] | {"min_rating": positive})
    ExplicitNegatives(max_rating=explicit_negatives).check_against(selection)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"min_rating": "high"}, "min_rating"),
        ({"repeats": "some"}, "repeats"),
        ({"min_item_interactions": 0}, "min_item_interactions"),
        ({"min_ratings": 3}, "min_ratings"),
    ],
)
def test_an_unfit_selection_is_refused_by_name(change, key):
    with pytest.raises(ValidationError, match=key):
        Selection(**parameters()["selection"] | change)
