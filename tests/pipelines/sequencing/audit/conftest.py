import pytest

from .outputs import KINDS, make


@pytest.fixture(scope="package")
def outputs():
    """Return the outputs of each kind of split; tests change copies."""
    return {kind: make(kind) for kind in KINDS}
