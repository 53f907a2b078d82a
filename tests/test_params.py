from typing import ClassVar

import pytest
from pydantic import ValidationError

from two_tower.params import OneOf, Params


class Tool(Params):
    needs_nails: ClassVar[bool] = False


class Hammer(Tool):
    needs_nails: ClassVar[bool] = True
    weight: float


class Tools(OneOf[Tool]):
    hammer: Hammer
    hand: Tool = Tool()


def test_the_kind_names_the_group_whose_options_count():
    tools = Tools(kind="hammer", hammer=Hammer(weight=2.0))
    assert tools.chosen == Hammer(weight=2.0)
    assert tools.chosen.needs_nails


def test_kinds_are_the_groups_that_are_declared():
    assert Tools.kinds() == ("hammer", "hand")


def test_an_unknown_kind_is_refused_with_the_valid_ones():
    with pytest.raises(ValidationError, match="'saw'; choose one of hammer, hand"):
        Tools(kind="saw", hammer=Hammer(weight=2.0))


def test_a_misspelt_option_is_refused():
    with pytest.raises(ValidationError, match="wieght"):
        Tools.model_validate({"kind": "hammer", "hammer": {"wieght": 2.0}})
