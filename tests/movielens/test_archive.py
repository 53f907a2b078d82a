import struct
from contextlib import suppress
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.movielens import archive
from two_tower.movielens.archive import ArchiveError, file_md5, open_table
from two_tower.movielens.releases import RELEASES

from .archives import ML_1M, write_archive

ML_1M_RELEASE = RELEASES["ml-1m"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ml-1m.zip"


def read(path, table=ML_1M_RELEASE.ratings):
    with open_table(path, ML_1M_RELEASE, table) as stream:
        return stream.read()


def add(path, name, content, method=ZIP_DEFLATED):
    with ZipFile(path, "a", method) as opened:
        opened.writestr(name, content)
    return path


def test_a_table_is_read_unchanged(path):
    write_archive(path, "ml-1m")
    assert read(path).decode() == ML_1M["ml-1m/ratings.dat"]


def test_file_md5_is_the_md5_of_the_bytes(path):
    path.write_bytes(b"abc")
    assert file_md5(path) == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, A.5


@pytest.mark.parametrize("n_bytes", [0, 3, 60, 300, -10])
def test_a_truncated_archive_is_refused(path, n_bytes):
    whole = write_archive(path, "ml-1m").read_bytes()
    path.write_bytes(whole[:n_bytes])
    with pytest.raises(ArchiveError, match="not a complete zip archive"):
        read(path)


def test_a_web_page_saved_as_an_archive_is_refused(path):
    path.write_text("<html><body>404 Not Found</body></html>")
    with pytest.raises(ArchiveError, match="not a complete zip archive"):
        read(path)


def test_bytes_changed_inside_the_archive_are_refused(path):
    text = ML_1M["ml-1m/ratings.dat"].encode()
    with ZipFile(path, "w", ZIP_STORED) as opened:
        opened.writestr("ml-1m/ratings.dat", text)
    path.write_bytes(path.read_bytes().replace(b"5::20::4", b"5::20::5", 1))
    with pytest.raises(ArchiveError, match=r"not a complete zip archive.*CRC"):
        read(path)


def test_broken_compressed_data_is_refused(path):
    write_archive(path, "ml-1m", {"ratings.dat": b"1::10::5::978302109\n" * 50})
    data = bytearray(path.read_bytes())
    start = data.index(b"ml-1m/ratings.dat") + len(b"ml-1m/ratings.dat")
    data[start] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="not a complete zip archive"):
        read(path)


def test_a_missing_table_is_refused_with_the_names_of_the_others(path):
    write_archive(path, "ml-1m", {"ratings.dat": None})
    with pytest.raises(
        ArchiveError, match=r"0 members 'ml-1m/ratings.dat'.*movies.dat"
    ):
        read(path)


def test_another_releases_archive_is_refused(path):
    write_archive(path, "ml-25m")
    with pytest.raises(ArchiveError, match="archive of another release"):
        read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_table_is_refused(path):
    add(write_archive(path, "ml-1m"), "ml-1m/ratings.dat", b"1::10::5::978302109\n")
    with pytest.raises(ArchiveError, match=r"2 members 'ml-1m/ratings.dat'"):
        read(path)


@pytest.mark.parametrize(
    "name", ["../evil.dat", "ml-1m/../../evil.dat", "/etc/evil", "..\\evil", "C:/evil"]
)
def test_a_member_outside_the_folder_is_refused(path, name):
    add(write_archive(path, "ml-1m"), name, b"x")
    with pytest.raises(ArchiveError, match="outside its own folder"):
        read(path)


def test_a_decompression_bomb_is_refused(path):
    write_archive(path, "ml-1m", {"ratings.dat": b"\0" * 4_000_000})
    with pytest.raises(ArchiveError, match=r"'ml-1m/ratings.dat'.*bomb"):
        read(path)


def test_a_bomb_beside_the_tables_is_refused(path):
    add(write_archive(path, "ml-1m"), "ml-1m/README", b"\0" * 4_000_000)
    with pytest.raises(ArchiveError, match="bomb"):
        read(path)


def test_a_bomb_with_a_forged_size_is_refused_at_that_size(path):
    write_archive(path, "ml-1m", {"ratings.dat": b"\0" * 4_000_000})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 4_000_000), struct.pack("<I", 99)))
    with pytest.raises(ArchiveError, match="not a complete zip archive"):
        read(path)


def test_an_archive_larger_than_the_limit_is_refused(path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 100)
    write_archive(path, "ml-1m")
    with pytest.raises(ArchiveError, match="at most 100 are read"):
        read(path)


def test_repetitive_ratings_are_no_bomb(path):
    text = b"".join(b"%d::10::5::978302109\n" % i for i in range(100_000))
    write_archive(path, "ml-1m", {"ratings.dat": text})
    assert read(path) == text


def test_an_empty_table_is_refused(path):
    write_archive(path, "ml-1m", {"movies.dat": ""})
    with pytest.raises(ArchiveError, match=r"'ml-1m/movies.dat' of .* is empty"):
        read(path, ML_1M_RELEASE.movies)


def test_an_unusual_compression_is_refused(path):
    write_archive(path, "ml-1m", {"ratings.dat": None})
    add(path, "ml-1m/ratings.dat", b"1::10::5::978302109\n", ZIP_BZIP2)
    with pytest.raises(ArchiveError, match="deflate"):
        read(path)


def test_an_encrypted_table_is_refused(path):
    write_archive(path, "ml-1m", {"movies.dat": None, "users.dat": None})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the central directory's flag
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="encrypted"):
        read(path)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_damage_to_an_archive_is_an_archive_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    whole = write_archive(path, "ml-1m").read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    n_lost = data.draw(st.integers(0, 40))
    inserted = data.draw(st.binary(max_size=4))
    path.write_bytes(whole[:start] + inserted + whole[start + n_lost :])
    with suppress(ArchiveError):
        # The CRC ensures that whatever is read is unchanged.
        assert read(path).decode() == ML_1M["ml-1m/ratings.dat"]


@pytest.mark.parametrize("error", [FileNotFoundError, IsADirectoryError])
def test_errors_of_the_file_system_are_not_archive_errors(tmp_path, error):
    paths = {FileNotFoundError: tmp_path / "absent.zip", IsADirectoryError: tmp_path}
    with pytest.raises(error):
        read(paths[error])
