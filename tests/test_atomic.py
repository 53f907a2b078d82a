import errno
import fcntl
import os
from contextlib import contextmanager
from hashlib import sha256

import pytest

from two_tower.atomic import (
    SaveError,
    current_version,
    has_version,
    replace_file,
    replace_folder,
)
from two_tower.hashes import DamagedError


def save(folder, **files):
    with replace_folder(folder) as new:
        for name, text in files.items():
            (new / name).write_text(text)


def write_and_fail(path):
    path.write_text("half")
    raise OSError("the disk is full")


def versioned(folder):
    return {path.name: path.read_text() for path in current_version(folder).iterdir()}


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    target = tmp_path / "deep" / "folder" / "report.txt"
    for text in ("first", "second"):
        with replace_file(target) as new:
            new.write_text(text)
    assert target.read_text() == "second"
    assert list(target.parent.iterdir()) == [target]


def test_a_reader_keeps_the_old_file_open(tmp_path):
    target = tmp_path / "report.txt"
    target.write_text("old")
    with target.open() as reader:
        with replace_file(target) as new:
            new.write_text("new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


def test_a_failing_block_leaves_only_the_old_file(tmp_path):
    target = tmp_path / "report.txt"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), replace_file(target) as new:
        write_and_fail(new)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_holds_one_version_after_each_save(tmp_path):
    folder = tmp_path / "deep" / "folder" / "table"
    save(folder, a="1", b="2")
    save(folder, a="3")
    assert versioned(folder) == {"a": "3"}
    assert {path.name for path in folder.iterdir()} == {
        "_current",
        current_version(folder).name,
    }
    assert [path.name for path in folder.parent.iterdir()] == ["table"]


def test_a_version_is_named_by_the_hashes_of_its_files(tmp_path):
    save(tmp_path / "table", a="1", b="2")
    lines = f"{sha256(b'1').hexdigest()}  a\n{sha256(b'2').hexdigest()}  b\n"
    digest = sha256(lines.encode()).hexdigest()
    assert current_version(tmp_path / "table").name == f"v-{digest[:16]}"


def test_files_are_on_disk_before_the_pointer_names_them(tmp_path, monkeypatch):
    flushed, fsync = set(), os.fsync

    def record(opened):
        flushed.add(os.fstat(opened).st_ino)
        fsync(opened)

    monkeypatch.setattr(os, "fsync", record)
    folder = tmp_path / "table"
    save(folder, a="1", b="2")
    version = current_version(folder)
    for path in (version / "a", version / "b", version, folder, folder / "_current"):
        assert path.stat().st_ino in flushed


def test_a_failing_block_leaves_the_current_version(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="old")
    with pytest.raises(OSError, match="full"), replace_folder(folder) as new:
        write_and_fail(new / "a")
    assert versioned(folder) == {"a": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_a_failing_first_save_leaves_nothing(tmp_path):
    with (
        pytest.raises(OSError, match="full"),
        replace_folder(tmp_path / "table") as new,
    ):
        write_and_fail(new / "a")
    assert current_version(tmp_path / "table") is None
    assert list(tmp_path.iterdir()) == []


def test_readers_see_the_old_version_until_the_pointer_is_replaced(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="old")
    with replace_folder(folder) as new:
        (new / "a").write_text("new")
        assert versioned(folder) == {"a": "old"}
    assert versioned(folder) == {"a": "new"}


def test_equal_content_keeps_its_version_folder(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="1")
    inode = current_version(folder).stat().st_ino
    save(folder, a="1")
    assert current_version(folder).stat().st_ino == inode


def test_a_damaged_version_is_repaired_by_saving_its_content_again(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="1", b="2")
    (current_version(folder) / "b").unlink()
    save(folder, a="1", b="2")
    assert versioned(folder) == {"a": "1", "b": "2"}


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    save(folder, a="1")
    save(folder, a="2")
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "content", [b"", b".", b"v-0123456789abcdef", b"../a", b"\xff"]
)
def test_a_damaged_pointer_is_refused_by_name(tmp_path, content):
    folder = tmp_path / "table"
    save(folder, a="1")
    (folder / "_current").write_bytes(content)
    with pytest.raises(DamagedError, match="table/_current is damaged"):
        current_version(folder)
    assert not has_version(folder)
    save(folder, a="1")
    assert versioned(folder) == {"a": "1"}


def test_a_folder_in_place_of_the_pointer_is_refused_by_name(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="1")
    (folder / "_current").unlink()
    (folder / "_current").mkdir()
    with pytest.raises(DamagedError, match="table/_current is damaged"):
        current_version(folder)
    with pytest.raises(
        SaveError, match="_current was not saved: Is a directory; remove the folder"
    ):
        save(folder, a="2")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "No space left on device; free space on its disk, then run"),
        (errno.EACCES, "Permission denied; make it writable, then run again"),
        (errno.EINVAL, "Invalid argument; run again"),
        (None, "480 requested and 0 written; run again"),
    ],
)
@pytest.mark.parametrize("replace", [replace_file, replace_folder])
def test_a_failed_save_says_what_was_not_saved_and_why(
    tmp_path, replace, code, message
):
    error = OSError(code, os.strerror(code)) if code else OSError(message[:27])
    target = tmp_path / "report"
    with pytest.raises(SaveError) as raised, replace(target):
        raise error
    assert str(raised.value).startswith(f"{target} was not saved: {message}")
    assert raised.value.errno == code


def test_a_failed_save_names_another_file_that_was_in_its_way(tmp_path):
    with (
        pytest.raises(SaveError, match=r"No such file or directory: .*/missing; run"),
        replace_file(tmp_path / "report"),
    ):
        (tmp_path / "missing").read_text()


def test_a_failed_save_does_not_name_its_temporary_files(tmp_path):
    with (
        pytest.raises(
            SaveError, match=r"was not saved: No such file or directory; run"
        ),
        replace_folder(tmp_path / "table") as new,
    ):
        (new / "missing").read_text()


def test_a_folder_that_another_process_saves_is_refused(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="1")
    with (
        locked(folder),
        pytest.raises(SaveError, match="another process is saving it; wait"),
    ):
        save(folder, a="2")
    assert versioned(folder) == {"a": "1"}


@contextmanager
def locked(folder):
    opened = os.open(folder, os.O_RDONLY)
    fcntl.flock(opened, fcntl.LOCK_EX)
    yield
    os.close(opened)


# covers: X34
def test_a_save_removes_what_a_killed_one_left(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="1")
    (tmp_path / ".saving-table-x1").mkdir()
    (folder / ".saving-_current-x2").mkdir()
    for version in ("v-0000000000000000", "v-ffffffffffffffff"):
        (folder / version).mkdir()
    save(folder, a="2")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]
    assert len(list(folder.iterdir())) == 2
