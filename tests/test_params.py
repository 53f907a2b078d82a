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


class Sizes(Params):
    count: int
    share: float = 0.5
    is_used: bool = True
    name: str = ""
    cutoffs: tuple[int, ...] | None = None


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": True},
        {"count": "8"},
        {"count": 8.0},
        {"share": "0.5"},
        {"share": True},
        {"share": float("inf")},
        {"share": float("nan")},
        {"is_used": 1},
        {"is_used": "true"},
        {"name": 5},
        {"cutoffs": ["5"]},
        {"cutoffs": [True]},
        {"cutoffs": 5},
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Sizes.model_validate({"count": 8, **wrong})


def test_a_list_is_a_tuple_and_a_whole_number_a_share():
    sizes = Sizes.model_validate({"count": 8, "share": 1, "cutoffs": [5, 10]})
    assert sizes == Sizes(count=8, share=1.0, cutoffs=(5, 10))
