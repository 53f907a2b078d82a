import os
import subprocess
from hashlib import sha256

import pytest

from two_tower import hashes
from two_tower.atomic import replace_checked_file
from two_tower.hashes import (
    DamagedError,
    check_file,
    file_sha256,
    folder_digest,
    hash_file,
)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "metrics.json"
    save(path, '{"hr@10": 0.5}\n')
    return path


def save(path, text):
    with replace_checked_file(path) as new:
        new.write_text(text)


def test_the_hash_is_that_of_the_bytes(saved):
    assert file_sha256(saved) == sha256(saved.read_bytes()).hexdigest()


def test_a_saved_file_passes(saved, caplog):
    check_file(saved)
    assert caplog.text == ""


def test_sha256sum_checks_the_kept_hash(saved):
    command = ["sha256sum", "--check", hash_file(saved).name]
    subprocess.run(command, cwd=saved.parent, check=True, capture_output=True)  # noqa: S603


@pytest.mark.parametrize("content", [b"", b'{"hr@10": 0.6}\n', b'{"hr@10": 0.5}'])
def test_other_bytes_are_refused(saved, content):
    saved.write_bytes(content)
    with pytest.raises(
        DamagedError, match=r"metrics\.json is damaged: its SHA-256 is not the one in"
    ):
        check_file(saved)


def test_a_damaged_hash_is_refused(saved):
    hash_file(saved).write_bytes(b"\xff nothing")
    with pytest.raises(DamagedError, match="is damaged"):
        check_file(saved)


def test_a_folder_is_refused(saved):
    saved.unlink()
    saved.mkdir()
    with pytest.raises(DamagedError, match="is a folder, where a file was saved"):
        check_file(saved)


def test_a_file_that_was_put_there_by_hand_passes_with_a_warning(saved, caplog):
    hash_file(saved).unlink()
    check_file(saved)
    assert f"{saved} is read without a check" in caplog.text


def test_while_a_file_is_replaced_both_pass(saved):
    old = saved.read_text()
    with pytest.raises(OSError, match="was not saved"):
        saved_while_interrupted(saved)
    assert saved.read_text() == old
    check_file(saved)
    save(saved, "next")
    check_file(saved)
    saved.write_text(old)
    with pytest.raises(DamagedError):
        check_file(saved)


def saved_while_interrupted(path, text="new"):
    """Keep the new hash, and stop before the new file replaces the old one."""
    with pytest.MonkeyPatch.context() as patch:
        replace = type(path).replace

        def refuse(self, target):
            if target == path:
                raise OSError(5, "Input/output error")
            return replace(self, target)

        patch.setattr(type(path), "replace", refuse)
        save(path, text)


def test_a_file_without_a_hash_can_be_replaced_at_any_moment(saved):
    hash_file(saved).unlink()
    old = saved.read_text()
    with pytest.raises(OSError, match="was not saved"):
        saved_while_interrupted(saved)
    assert saved.read_text() == old
    check_file(saved)


@pytest.mark.parametrize("next_text", ['{"hr@10": 0.5}\n', "new"])
def test_a_save_over_a_damaged_file_does_not_accept_the_damage(saved, next_text):
    saved.write_text("damaged")
    with pytest.raises(OSError, match="was not saved"):
        saved_while_interrupted(saved, next_text)
    with pytest.raises(DamagedError):
        check_file(saved)


def test_equal_content_passes_while_it_is_saved_again(saved):
    with pytest.raises(OSError, match="was not saved"):
        saved_while_interrupted(saved, saved.read_text())
    check_file(saved)


def test_an_unchanged_file_is_hashed_once(saved, monkeypatch):
    monkeypatch.setattr(hashes, "_SETTLED_NS", -1)
    digest = file_sha256(saved)
    monkeypatch.setattr(hashes, "file_digest", None)
    assert file_sha256(saved) == digest


@pytest.mark.parametrize("keeps_times", [True, False])
@pytest.mark.parametrize("changed", [b"6", b"", b"55"])
def test_a_changed_file_is_hashed_again(saved, monkeypatch, changed, keeps_times):
    monkeypatch.setattr(hashes, "_SETTLED_NS", -1)
    digest, times = file_sha256(saved), saved.stat()
    saved.write_bytes(saved.read_bytes().replace(b"5", changed))
    if keeps_times:
        os.utime(saved, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file_sha256(saved) != digest


def test_a_file_that_has_just_changed_is_hashed_each_time(saved, monkeypatch):
    file_sha256(saved)
    monkeypatch.setattr(hashes, "file_digest", None)
    with pytest.raises(TypeError):
        file_sha256(saved)


@pytest.mark.parametrize(("age", "is_hashed_again"), [(0.9, True), (1.1, False)])
def test_a_hash_is_kept_once_its_file_is_a_second_old(
    saved, monkeypatch, age, is_hashed_again
):
    now = saved.stat().st_ctime_ns + int(age * 10**9)
    monkeypatch.setattr(hashes.time, "time_ns", lambda: now)
    digest, calls = hashes.file_digest, []
    monkeypatch.setattr(
        hashes, "file_digest", lambda *file: calls.append(file) or digest(*file)
    )
    assert file_sha256(saved) == file_sha256(saved)
    assert len(calls) == 1 + is_hashed_again


def test_the_digest_of_a_folder_depends_on_names_and_bytes(tmp_path):
    def digest(name, text):
        folder = tmp_path / f"{name}{text}"
        folder.mkdir()
        (folder / name).write_text(text)
        return folder_digest(folder)

    assert len({digest("a", "1"), digest("b", "1"), digest("a", "2")}) == 3
