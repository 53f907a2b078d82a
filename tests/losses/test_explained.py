"""Every objective that can be chosen is explained."""

from pathlib import Path
from typing import get_args

import pytest
from two_tower.training.params.contrasts import ObjectiveKind, SelfSupervision

PAGE = (Path(__file__).parents[2] / "docs/objectives.md").read_text("utf-8")
PATTERNS = get_args(SelfSupervision.model_fields["pattern"].annotation)


# covers: N20
@pytest.mark.parametrize("name", get_args(ObjectiveKind))
def test_an_objective_has_a_section_with_its_formula_and_when_to_use_it(name):
    _, section = PAGE.split(f"`objective: {name}`.", maxsplit=1)
    section = section.split("\n## ")[0]
    assert "    L(u, p) = " in section
    assert "*When*: " in section


# covers: N20
@pytest.mark.parametrize("name", sorted(set(PATTERNS) - {"none"}))
def test_a_pattern_of_self_supervision_is_explained(name):
    assert f"| `{name}` |" in PAGE
