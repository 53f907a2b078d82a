"""The helper that interrupts processes before their n-th change to files."""

from pathlib import Path

import pytest

from tests.crashes import KILL, STOP, run_forked


def write_two(folder: Path) -> None:
    (folder / "a").write_text("1")
    (folder / "a").rename(folder / "b")


@pytest.mark.parametrize("action", [KILL, STOP])
def test_a_process_is_killed_before_a_change(tmp_path, action):
    done = run_forked(lambda: write_two(tmp_path), tmp_path, at=2, action=action)
    assert done.code == -9
    assert [change.split()[0] for change in done.changes] == ["open", "os.rename"]
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_a_change_is_refused_with_an_error(tmp_path):
    done = run_forked(lambda: write_two(tmp_path), tmp_path, at=1, action="ENOSPC")
    assert done.code == 1
    assert "No space left on device" in done.output
    assert not list(tmp_path.iterdir())


def test_changes_elsewhere_are_not_counted(tmp_path):
    (tmp_path / "watched").mkdir()
    done = run_forked(lambda: write_two(tmp_path), tmp_path / "watched", at=1)
    assert (done.code, done.changes) == (0, [])
