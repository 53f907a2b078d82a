import pytest
from pydantic import ValidationError

from tests.evaluation.fabricate import PARAMETERS, parameters


def slices(**changes):
    return {"slices": PARAMETERS["slices"] | changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"headline": 7}, "not one of the cutoffs"),
        ({"cutoffs": [5, 1, 10]}, "must rise"),
        ({"cutoffs": []}, "cutoffs"),
        ({"cutoffs": [0, 5]}, "greater than 0"),
        (slices(history_lengths=[1, 5]), "must start at 0"),
        (slices(head=0.8, mid=0.3), "can't exceed 1"),
        ({"ease": {"l2": 0, "max_items": 5}}, "greater than 0"),
        ({"cutofs": [1]}, "cutofs"),
        ({"interests": {"users": 1, "history": 0, "recommended": 1}}, "history"),
    ],
)
def test_senseless_values_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        parameters(**change)
