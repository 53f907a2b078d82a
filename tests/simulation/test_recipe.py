import pytest
from pydantic import ValidationError

from tests.simulation.recipes import small_recipe


def test_an_unknown_release_is_refused_with_the_known_ones():
    with pytest.raises(ValidationError, match=r"'ml-2m'.*choose one of.*ml-20m"):
        small_recipe(release="ml-2m")


@pytest.mark.parametrize("n_ratings", [300 * 20 - 1, 300 * 120 + 1])
def test_ratings_that_the_users_cannot_have_given_are_refused(n_ratings):
    with pytest.raises(ValidationError, match="300 users with 20 to 120 ratings each"):
        small_recipe(n_ratings=n_ratings)


def test_users_who_would_see_most_of_the_catalogue_are_refused():
    with pytest.raises(ValidationError, match="50% of the 230 movies; lower it or"):
        small_recipe(n_movies=230)


def test_a_timeline_starts_with_a_month():
    with pytest.raises(ValidationError, match="first of a month"):
        small_recipe(timeline={"start": "2000-01-02"})


def test_a_misspelt_parameter_is_refused():
    with pytest.raises(ValidationError, match="sequels"):
        small_recipe(sessions={"sequels": 0.5})
