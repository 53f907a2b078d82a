"""The page of objectives explains every choice."""

from pathlib import Path
from typing import get_args

import pytest

from two_tower.training.batches.views import SelfSupervision
from two_tower.training.objectives.registry import ObjectiveChoice

PAGE = (Path(__file__).parents[2] / "docs/objectives.md").read_text("utf-8")
KINDS = get_args(SelfSupervision.model_fields["kind"].annotation)


# covers: N20
@pytest.mark.parametrize("name", ObjectiveChoice.kinds())
def test_an_objective_has_a_section_with_its_formula_and_when_to_use_it(name):
    _, section = PAGE.split(f"`objective.kind: {name}`.", maxsplit=1)
    section = section.split("\n## ")[0]
    assert "    L(u, p) = " in section
    assert "*When*: " in section


# covers: N20
@pytest.mark.parametrize("name", sorted(set(KINDS) - {"none"}))
def test_a_kind_of_self_supervision_is_explained(name):
    assert f"| `{name}` |" in PAGE
