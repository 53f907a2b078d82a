"""Nodes of the simulation pipeline: the archive, and the ground truth behind it."""

from two_tower.simulation.archive_writer import Member, make_archive
from two_tower.simulation.recipe import Recipe
from two_tower.simulation.simulator import GroundTruth


def build_archive(recipe: Recipe) -> list[Member]:
    """Return the files of a simulated MovieLens archive, generated while saving."""
    return make_archive(recipe)


def simulate_interests(recipe: Recipe) -> GroundTruth:
    """Return the true interest behind each rating of the archive.

    The ratings are sampled again from the recipe, so this node can run alone.
    """
    return GroundTruth(recipe)
