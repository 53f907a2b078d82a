"""The parameters of the simulation pipeline.

Their meaning and limits stand in `movielens.simulation.recipe`, beside the code that
works by them and that no pipeline may come before.
"""

from two_tower.simulation.recipe import Recipe

__all__ = ["Recipe"]
