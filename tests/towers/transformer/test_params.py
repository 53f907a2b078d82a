import pytest
from pydantic import ValidationError

from tests.towers.transformer.histories import make_tower, shared_tower
from two_tower.towers.transformer.params import TransformerParams

pytestmark = pytest.mark.backend


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention": "linear"}, "attention\n.*'softmax' or 'pointwise'"),
        ({"residual": "none"}, "residual\n.*'sum' or 'gated'"),
        (
            {"feed_forward": {"kind": "relu", "factor": 4}},
            "feed_forward.kind\n.*'gelu' or 'swiglu'",
        ),
    ],
)
def test_an_unknown_option_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        make_tower("plain", **change)


def test_options_are_given_as_parameters_or_as_plain_values():
    options = shared_tower("everything").options
    assert TransformerParams.model_validate(options) is options
    assert TransformerParams.model_validate(options.model_dump()) == options
