"""Recipes for tests: the project's own recipe with smaller numbers and changes."""

from pathlib import Path
from typing import Any

import yaml

from two_tower.simulation.recipe import Recipe

PARAMETERS = Path(__file__).parents[2] / "conf/base/parameters/simulation.yml"
SMALL = {"n_users": 300, "n_movies": 400, "n_ratings": 9_000, "users_per_chunk": 100}


def project_values() -> dict[str, Any]:
    return yaml.safe_load(PARAMETERS.read_text())["simulation"]


def small_recipe(**changes: Any) -> Recipe:
    """Return a small recipe with changes; groups are merged, other values replaced."""
    values = project_values() | SMALL
    values["users"] |= {"longest": 120}
    for name, change in changes.items():
        is_group = isinstance(change, dict)
        values[name] = values[name] | change if is_group else change
    return Recipe.model_validate(values)
