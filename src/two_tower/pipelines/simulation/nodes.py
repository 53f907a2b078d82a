"""Steps of the simulation: one archive, and the truth behind it."""

from two_tower.simulation.archive_writer import Member, make_archive
from two_tower.simulation.simulator import Truth

from .params import Recipe


def simulate_archive(recipe: Recipe) -> list[Member]:
    """Return the files of a simulated MovieLens archive, made while they are saved."""
    return make_archive(recipe)


def simulate_interests(recipe: Recipe) -> Truth:
    """Return which interest each of the archive's ratings followed.

    It makes the same ratings again from the recipe, so that either can be had alone.
    """
    return Truth(recipe)
