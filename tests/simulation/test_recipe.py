import pytest
from pydantic import ValidationError

from tests.simulation.recipes import small_recipe


def test_an_unknown_release_is_refused_with_those_allowed():
    with pytest.raises(ValidationError, match=r"'ml-2m'.*choose one of.*ml-20m"):
        small_recipe(release="ml-2m")


@pytest.mark.parametrize("n_ratings", [300 * 20 - 1, 300 * 120 + 1])
def test_a_number_of_ratings_that_the_users_cannot_reach_is_refused(n_ratings):
    with pytest.raises(ValidationError, match="300 users with 20 to 120 ratings each"):
        small_recipe(n_ratings=n_ratings)


def test_histories_longer_than_half_the_catalogue_are_refused():
    with pytest.raises(ValidationError, match="50% of the 230 movies; lower it or"):
        small_recipe(n_movies=230)


def test_a_timeline_that_starts_within_a_month_is_refused():
    with pytest.raises(ValidationError, match="first of a month"):
        small_recipe(timeline={"start": "2000-01-02"})


def test_a_misspelt_parameter_is_refused():
    with pytest.raises(ValidationError, match="sequels"):
        small_recipe(sessions={"sequels": 0.5})
