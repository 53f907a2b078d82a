import pytest

from two_tower.atomic import (
    current_version,
    folder_digest,
    replace_file,
    replace_folder,
)


def save(folder, **files):
    with replace_folder(folder) as new:
        for name, text in files.items():
            (new / name).write_text(text)


def write_and_fail(path):
    path.write_text("half")
    raise OSError("the disk is full")


def content(folder):
    return {path.name: path.read_text() for path in current_version(folder).iterdir()}


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    target = tmp_path / "deep" / "report.txt"
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
    folder = tmp_path / "table"
    save(folder, a="1", b="2")
    save(folder, a="3")
    assert content(folder) == {"a": "3"}
    assert {path.name for path in folder.iterdir()} == {
        "_current",
        current_version(folder).name,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_a_failing_block_leaves_the_current_version(tmp_path):
    folder = tmp_path / "table"
    save(folder, a="old")
    with pytest.raises(OSError, match="full"), replace_folder(folder) as new:
        write_and_fail(new / "a")
    assert content(folder) == {"a": "old"}
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
        assert content(folder) == {"a": "old"}
    assert content(folder) == {"a": "new"}


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
    assert content(folder) == {"a": "1", "b": "2"}


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    save(folder, a="1")
    save(folder, a="2")
    assert (folder / "notes.txt").read_text() == "mine"


def test_the_digest_depends_on_names_and_bytes(tmp_path):
    def digest(name, text):
        folder = tmp_path / f"{name}{text}"
        folder.mkdir()
        (folder / name).write_text(text)
        return folder_digest(folder)

    assert len({digest("a", "1"), digest("b", "1"), digest("a", "2")}) == 3
