import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from two_tower import scratch
from two_tower.atomic import current_version, replace_folder
from two_tower.scratch import (
    Scratch,
    library_files_in,
    remove_abandoned,
    temporary_scratch,
)

# A process that holds a temporary folder until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from two_tower.scratch import Scratch

print(Scratch(Path(sys.argv[1]), ".saving-", "a").path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Return another process, and its temporary folder in `tmp_path`."""
    command = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_folder_is_removed_with_its_content(tmp_path):
    with Scratch(tmp_path, ".saving-", "a") as made:
        assert made.path.parent == tmp_path
        (made.path / "deep").mkdir()
        (made.path / "deep" / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_live_process_stays(holder, tmp_path):
    _, folder = holder
    with Scratch(tmp_path, ".saving-", "b"):
        assert folder.is_dir()
    remove_abandoned(tmp_path, ".saving-")
    assert folder.is_dir()


# covers: X34
def test_the_folder_of_a_killed_process_is_removed_by_the_next(holder, tmp_path):
    process, folder = holder
    (folder / "half").write_text("of a save")
    kill(process)
    with Scratch(tmp_path, ".saving-", "b"):
        assert not folder.exists()


def test_folders_of_this_process_stay(tmp_path):
    with Scratch(tmp_path, ".saving-", "a") as first, Scratch(tmp_path, ".saving-"):
        assert first.path.is_dir()


def test_other_folders_and_files_stay(tmp_path, caplog):
    (tmp_path / "saving-a").mkdir()
    (tmp_path / ".saving-file").touch()
    remove_abandoned(tmp_path, ".saving-")
    assert len(list(tmp_path.iterdir())) == 2
    remove_abandoned(tmp_path / "missing", ".saving-")
    assert caplog.text == ""


def test_a_file_system_without_locks_is_saved_to_and_loses_nothing(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(scratch.fcntl, "flock", refuse)
    other = tmp_path / ".saving-other"
    other.mkdir()
    with replace_folder(tmp_path / "table") as new:
        (new / "a").write_text("1")
    assert (current_version(tmp_path / "table") / "a").read_text() == "1"
    with Scratch(tmp_path, ".saving-") as made:
        assert made.path.is_dir()
    assert other.is_dir()


def test_a_folder_that_was_taken_for_abandoned_is_made_again(tmp_path, monkeypatch):
    opened, taken = os.open, []

    def open_late(path, *options, **more):
        if not taken and Path(path).name.startswith(".saving-"):
            taken.append(path)
            Path(path).rmdir()  # by another process, before the lock
        return opened(path, *options, **more)

    monkeypatch.setattr(scratch.os, "open", open_late)
    with Scratch(tmp_path, ".saving-") as made:
        assert made.path.is_dir()
    assert taken and made.path != taken[0]  # noqa: PT018


def test_a_folder_that_can_not_be_removed_is_logged(tmp_path, monkeypatch, caplog):
    with Scratch(tmp_path, ".saving-") as made:
        monkeypatch.setattr(scratch.shutil, "rmtree", _fail)
    assert f"{made.path} could not be removed: [Errno 5]" in caplog.text
    monkeypatch.undo()
    remove_abandoned(tmp_path, ".saving-")
    assert not made.path.exists()


def _fail(path):
    raise OSError(5, "Input/output error")


def test_libraries_use_another_folder_and_then_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inner = tmp_path / "inner"
    inner.mkdir()
    with library_files_in(inner):
        assert Path(tempfile.mkdtemp()).parent == inner
    made = temporary_scratch()
    assert made.path.parent == tmp_path
    made.remove()
