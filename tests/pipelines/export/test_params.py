from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from two_tower.pipelines.export.params import Chunks, QueryTowerParams

FILE = Path(__file__).parents[3] / "conf/base/parameters/export.yml"
IN_CONF = yaml.safe_load(FILE.read_text())["export"]


def test_the_parameters_in_conf_are_sound():
    found = QueryTowerParams.model_validate(IN_CONF["query_tower"])
    assert found.bucket_boundaries[-1] == 200
    assert Chunks.model_validate(IN_CONF["chunks"]).items > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
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
        QueryTowerParams.model_validate(IN_CONF["query_tower"] | change)


@pytest.mark.parametrize("name", ["items", "users"])
def test_a_chunk_has_a_row(name):
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Chunks.model_validate(IN_CONF["chunks"] | {name: 0})
