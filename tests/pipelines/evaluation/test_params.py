import pytest
from pydantic import ValidationError

from tests.evaluation.fabricate import PARAMETERS, parameters


def slices(**changes):
    return {"slices": PARAMETERS["report"]["slices"] | changes}


@pytest.mark.parametrize(
    ("group", "change", "message"),
    [
        ("ranking", {"cutoffs": [5, 1, 10]}, "must rise"),
        ("ranking", {"cutoffs": []}, "cutoffs"),
        ("ranking", {"cutoffs": [0, 5]}, "greater than or equal to 1"),
        ("ranking", {"cutofs": [1]}, "cutofs"),
        ("report", slices(history_lengths=[1, 5]), "must start at 0"),
        ("report", slices(head=0.8, mid=0.3), "can't exceed 1"),
        ("baselines", {"ease": {"l2": 0, "max_items": 5}}, "greater than 0"),
        ("interests", {"history": 0}, "history"),
    ],
)
def test_invalid_values_are_refused(group, change, message):
    with pytest.raises(ValidationError, match=message):
        parameters(group, **change)
