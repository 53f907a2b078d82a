from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from two_tower.pipelines.export.params import Export

FILE = Path(__file__).parents[3] / "conf/base/parameters/export.yml"
IN_CONF = yaml.safe_load(FILE.read_text())["export"]


def test_the_parameters_in_conf_are_sound():
    assert Export.model_validate(IN_CONF).bucket_boundaries[-1] == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items_per_chunk": 0}, "greater than or equal to 1"),
        ({"users_per_chunk": 0}, "greater than or equal to 1"),
        ({"average_users": 0}, "greater than or equal to 1"),
        (
            {"tokens_per_batch": 199},
            "tokens_per_batch is 199, less than the last of bucket_boundaries, 200",
        ),
        ({"bucket_boundaries": [50, 25]}, "rising widths above 0"),
        ({"bucket_boundaries": []}, "at least 1 item"),
        ({"chunk": 5}, "Extra inputs are not permitted"),
    ],
)
def test_an_invalid_value_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Export.model_validate(IN_CONF | change)
