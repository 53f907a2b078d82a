"""Draw the ratings: better where a movie serves one of the user's interests."""

import numpy as np

from two_tower.movielens.releases import RELEASES
from two_tower.movielens.simulation.catalogue import Movies
from two_tower.movielens.simulation.choices import Choices
from two_tower.movielens.simulation.draws import Floats, Purpose, generator
from two_tower.movielens.simulation.people import People
from two_tower.movielens.simulation.recipe import Recipe


def make_stars(
    recipe: Recipe, movies: Movies, people: People, choices: Choices, chunk: int
) -> Floats:
    """Return the rating of each choice, on the release's scale."""
    rng = generator(recipe.seed, Purpose.STARS, chunk)
    shape, scale = recipe.stars, RELEASES[recipe.release].scale
    user, movie = choices.user, choices.movie
    serves = movies.interest[movie, None] == people.interests[user]
    liking = (
        shape.mean
        + shape.user * people.bias[user]
        + shape.movie * movies.quality[movie]
        + shape.match * (serves.any(axis=1) - 0.5)
        + shape.noise * rng.standard_normal(len(user))
    )
    steps = np.rint((liking - scale.lowest) / scale.step)
    most = round((scale.highest - scale.lowest) / scale.step)
    stars: Floats = scale.lowest + scale.step * np.clip(steps, 0, most)
    return stars
