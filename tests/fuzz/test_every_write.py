"""Each change of files fails once in each kind of save; see the module for more."""

import sys

import pytest

from tests.fuzz.every_write import run
from tests.fuzz.saves import CASES, KERAS, LIGHT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs LD_PRELOAD")


@pytest.fixture(scope="module")
def results():
    return run(LIGHT) | run(KERAS, every=4)


# covers: X34
@pytest.mark.parametrize("name", CASES)
def test_a_save_that_fails_at_any_change_loses_and_mixes_nothing(results, name):
    assert results[name]["faults"] == []
    assert results[name]["trials"] > 8  # the library has been loaded
