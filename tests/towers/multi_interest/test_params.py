import pytest
from pydantic import ValidationError

from tests.towers.multi_interest.build import make_tower

pytestmark = pytest.mark.backend


# covers: A20, A28, A30
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": {"kind": "self"}}, "'context' or 'queries'"),
        ({"attention": {"temperature": 0.0}}, "greater than 0"),
        ({"attention": {"temperature": -1.0}}, "greater than 0"),
        ({"heads": {"routing": "medium"}}, "'soft', 'straight_through' or 'hard'"),
        ({"heads": {"temperature": 0.0}}, "greater than 0"),
        ({"heads": {"category_temperature": -1.0}}, "greater than 0"),
        ({"heads": {"norm": "batch"}}, "'layer' or 'unit'"),
        ({"aggregation": {"query": "users"}}, "'items' or 'heads'"),
        ({"aggregation": {"temperature": 0.0}}, "greater than 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        make_tower(**options)
