"""A sample of damaged archives; `python -m tests.fuzz.archives` tries more."""

from tests.fuzz.archives import trial


def test_damaged_archives_are_refused_or_read_rightly(tmp_path):
    outcomes = list(trial(count=120, seed=7, folder=tmp_path))
    kinds = {outcome.kind for _, _, outcome in outcomes}
    faults = [one for one in outcomes if one[2].detail]
    assert not faults
    assert kinds == {"right", "refused"}
