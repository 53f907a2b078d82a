"""What the datasets of text files share: patterns, compression, encodings, changes."""

import bz2
import gzip
import io
import logging
import lzma
import os
import pickle
import tarfile
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from kedro.io import DatasetError

from two_tower.datasets.csv_table import CSVTableDataset
from two_tower.datasets.source_files import find_files

TABLE = "id,name\n1,é\n2,b\n".encode()


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


COMPRESSORS = [gzip.compress, bz2.compress, lzma.compress, zstd]


def rows(dataset):
    return [tuple(row.values()) for row in dataset.load().to_pyarrow().to_pylist()]


@pytest.fixture
def pattern(tmp_path):
    """Return the pattern of the files that a test writes into `parts/`."""
    return str(tmp_path / "parts" / "*.csv")


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.csv", **options):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return CSVTableDataset(filepath=str(path), **options)

    return write


@pytest.mark.parametrize("compress", COMPRESSORS)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a"])
def test_compressed_files_are_read_whatever_their_name(write, compress, name):
    dataset = write(compress(TABLE), name)
    assert rows(dataset) == [("1", "é"), ("2", "b")]
    assert dataset.preview()["data"] == [["1", "é"], ["2", "b"]]


def test_a_text_file_may_be_called_gz(write):
    assert rows(write(TABLE, "a.csv.gz")) == [("1", "é"), ("2", "b")]


def test_compressed_files_that_were_joined_are_read_whole(write):
    dataset = write(gzip.compress(TABLE) + gzip.compress(b"3,c\n"))
    assert rows(dataset)[-1] == ("3", "c")


@pytest.mark.parametrize("compress", COMPRESSORS)
def test_a_compressed_file_that_is_not_complete_is_refused(write, compress):
    content = compress("".join(f"{i},{i}\n" for i in range(9999)).encode())
    with pytest.raises(DatasetError, match=r"a\.csv can't be decompressed: .*get it"):
        write(content[: len(content) // 2], columns=["a", "b"]).load()


def zipped():
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.csv", TABLE)
    return sink.getvalue()


def tar_gz():
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(TABLE)
        archive.addfile(info, io.BytesIO(TABLE))
    return sink.getvalue()


def parquet():
    return pd.DataFrame({"a": [1]}).to_parquet()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped, "a zip archive or an Excel workbook, which is not read; unpack it"),
        (tar_gz, "a tar archive, which is not read; unpack it"),
        (parquet, "a Parquet file, .* file_format: parquet"),
        (lambda: pickle.dumps({"a": [1]}), "a pickle"),
        (lambda: b"<!DOCTYPE html>\n<html>", "a web page"),
        (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (lambda: b"SQLite format 3\0" + bytes(90), "an SQLite database"),
        (lambda: b"\x7fELF" + bytes(90), "zero bytes"),
    ],
)
def test_files_that_are_no_text_are_named(write, content, message):
    with pytest.raises(DatasetError, match=rf"a\.csv .*{message}") as error:
        write(content()).load()
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "UTF16"]
)
def test_files_of_any_encoding_are_read(write, encoding):
    assert rows(write(TABLE.decode().encode(encoding), encoding=encoding)) == [
        ("1", "é"),
        ("2", "b"),
    ]


def test_a_mark_of_utf_16_names_the_encoding(write):
    with pytest.raises(DatasetError, match="set encoding: utf-16"):
        write(TABLE.decode().encode("utf-16")).load()


def test_utf_16_that_ends_in_half_a_character_is_refused(write):
    with pytest.raises(DatasetError, match="line 3 is not utf-16"):
        write(TABLE.decode().encode("utf-16")[:-1], encoding="utf-16").load()


def test_an_encoding_that_python_lacks_is_refused():
    with pytest.raises(DatasetError, match="encoding is 'latin-99'"):
        CSVTableDataset(filepath="a.csv", encoding="latin-99")


def test_the_files_of_a_pattern_are_read_in_order_of_their_names(
    write, pattern, caplog
):
    for part in (10, 2, 1):
        write(f"id\n{part}\n".encode(), f"parts/p-{part}.csv")
    with caplog.at_level(logging.INFO):
        assert rows(CSVTableDataset(filepath=pattern)) == [("1",), ("2",), ("10",)]
    assert "read 3 rows of 3 files in order of their names" in caplog.text


def test_a_file_with_the_marks_of_a_pattern_in_its_name_is_read(write):
    write(b"id\n1\n", "a1.csv")
    assert rows(write(b"id\n7\n", "a[1].csv")) == [("7",)]


def test_files_of_one_table_need_the_same_header(write, pattern):
    write(b"id,name\n1,a\n", "parts/1.csv")
    write(b"id,title\n2,b\n", "parts/2.csv")
    message = r"2\.csv has the columns id, title, but .*1\.csv has id, name"
    with pytest.raises(DatasetError, match=message):
        CSVTableDataset(filepath=pattern).load()


def test_the_file_of_a_pattern_is_named_in_a_message(write, pattern):
    write(b"id,name\n1,a\n", "parts/1.csv")
    write(b"id,name\n2\n", "parts/2.csv")
    with pytest.raises(DatasetError, match=r"2\.csv can't be read: line 2"):
        CSVTableDataset(filepath=pattern).load()


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no file matches"):
        find_files(str(tmp_path / "*.csv"))
    with pytest.raises(DatasetError, match="is a folder; name its files by a pattern"):
        find_files(str(tmp_path))
    assert not CSVTableDataset(filepath=str(tmp_path / "*.csv")).exists()


def test_a_file_that_changes_while_it_is_read_is_refused(write, tmp_path):
    dataset, path = write(TABLE), tmp_path / "a.csv"
    schema = dataset.schema_of([path])
    batches = dataset.read_batches(path, schema)
    next(batches)
    path.write_bytes(TABLE + b"3,c\n")
    with pytest.raises(DatasetError, match="changed while it was read"):
        list(batches)


def test_the_fingerprint_covers_all_files_and_the_options(write, pattern):
    write(b"id\n1\n", "parts/1.csv")
    write(b"id\n2\n", "parts/2.csv")
    first = CSVTableDataset(filepath=pattern).fingerprint()
    assert CSVTableDataset(filepath=pattern).fingerprint() == first
    assert CSVTableDataset(filepath=pattern, separator=";").fingerprint() != first
    write(b"id\n3\n", "parts/2.csv")
    assert CSVTableDataset(filepath=pattern).fingerprint() != first


def test_the_fingerprint_is_that_of_the_loaded_files(write, tmp_path):
    dataset = write(TABLE)
    dataset.load()
    dataset.fingerprint()
    os.utime(tmp_path / "a.csv", (1, 1))
    with pytest.raises(DatasetError, match="changed while they were read"):
        dataset.fingerprint()
