"""Bytes of a source file: decompressed, decoded, and refused if they are no text."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
from kedro.io import DatasetError

_BLOCK_BYTES: Final = 1 << 20
_TAR_MARK: Final = slice(257, 262)

_DECOMPRESSORS: Final[dict[bytes, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": lambda file: pa.CompressedInputStream(file, "zstd"),
}
"""First bytes of a compressed file → reader. The name of a file says too little."""

_PARQUET_ENTRY: Final = "declare type: ibis.FileDataset, file_format: parquet"
_REFUSED: Final[dict[bytes, tuple[str, str]]] = {
    b"PK\x03\x04": (
        "a zip archive or an Excel workbook",
        "unpack it, or save the sheet as CSV",
    ),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save the sheet as CSV"),
    b"PAR1": ("a Parquet file", f"{_PARQUET_ENTRY} in the catalog"),
    b"ARROW1": ("an Arrow file", "convert it to Parquet or CSV"),
    b"ORC": ("an ORC file", "convert it to Parquet or CSV"),
    b"Obj\x01": ("an Avro file", "convert it to Parquet or CSV"),
    b"\x89HDF": ("an HDF5 file", "convert it to Parquet or CSV"),
    b"\x93NUMPY": ("a NumPy array", "convert it to Parquet or CSV"),
    b"SQLite format 3\x00": ("an SQLite database", "export the table as CSV"),
    b"%PDF": ("a PDF document", "export the table as CSV"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it"),
    b"Rar!": ("a rar archive", "unpack it"),
    b"\x04\x22\x4d\x18": ("compressed by lz4", "use gzip, zstd, bzip2 or xz"),
    b"\x1f\x9d": ("compressed by compress", "use gzip, zstd, bzip2 or xz"),
    b"<!DOCTYPE": ("a web page", "download the table itself"),
    b"<!doctype": ("a web page", "download the table itself"),
    b"<html": ("a web page", "download the table itself"),
    b"version https://git-lfs": ("a Git LFS pointer", "run: git lfs pull"),
}
"""First bytes of files that hold no text table → what they are, and what to do."""
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05]")


@contextmanager
def open_utf8(
    path: Path, encoding: str, separator: str | None = None, stand_in: str = ""
) -> Iterator[io.BufferedReader]:
    """Open a text file as a stream of UTF-8 without a byte order mark.

    Files compressed by gzip, zstd, bzip2 or xz are decompressed, whatever their name.

    Args:
        path: the file.
        encoding: one of Python's encodings, in which the file is written.
        separator: text to replace, or None.
        stand_in: a character that replaces each `separator`.

    Raises:
        DatasetError: the file is no text of that encoding, is damaged, changes while it
            is read, or holds `stand_in`. Reading the stream raises it, too.
    """
    before = _state(path)
    with path.open("rb") as raw, _decompressed(path, raw) as stream:
        texts = _decode(path, _blocks(path, stream), encoding)
        if separator is not None:
            texts = _replace(path, texts, separator, stand_in)
        yield io.BufferedReader(_Stream(texts), _BLOCK_BYTES)
    if _state(path) != before:
        raise DatasetError(
            f"{path} changed while it was read; run again when it is complete"
        )


def read_start(path: Path, n_bytes: int) -> bytes:
    """Return the first bytes of a text file, decompressed.

    Raises:
        DatasetError: the file is no text, or is damaged.
    """
    start = b""
    with path.open("rb") as raw, _decompressed(path, raw) as stream:
        for block in _blocks(path, stream):
            start += block
            if len(start) >= n_bytes:
                break
    return start[:n_bytes]


def python_encoding(encoding: str) -> str:
    """Return Python's name of an encoding.

    Raises:
        DatasetError: Python has no encoding of that name.
    """
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise DatasetError(
            f"encoding is {encoding!r}, but Python has no encoding of that name; use "
            "one such as utf-8, utf-16, latin-1 or cp1252"
        ) from error


class _Stream(io.RawIOBase):
    """A readable stream of texts, in UTF-8."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = iter(texts)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            text = next(self._texts, None)
            if text is None:
                return 0
            self._rest = memoryview(text.encode())
        n_bytes = min(len(buffer), len(self._rest))
        buffer[:n_bytes] = self._rest[:n_bytes]
        self._rest = self._rest[n_bytes:]
        return n_bytes


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@contextmanager
def _decompressed(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield the stream of a file's content; refuse content that is no text."""
    start = raw.read(16)
    raw.seek(0)
    for mark, decompress in _DECOMPRESSORS.items():
        if start.startswith(mark):
            with decompress(raw) as stream:
                yield stream
            return
    yield raw


def _blocks(path: Path, stream: IO[bytes]) -> Iterator[bytes]:
    try:
        block = stream.read(_BLOCK_BYTES)
        _require_text(path, block)
        while block:
            yield block
            block = stream.read(_BLOCK_BYTES)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise DatasetError(
            f"{path} can't be decompressed: {error}; the file is damaged or not "
            "complete: get it again"
        ) from error


def _require_text(path: Path, block: bytes) -> None:
    for mark, (content, remedy) in _REFUSED.items():
        if block.startswith(mark):
            raise DatasetError(f"{path} is {content}, which is not read; {remedy}")
    if block[_TAR_MARK] == b"ustar":
        raise DatasetError(f"{path} is a tar archive, which is not read; unpack it")
    if _PICKLE.match(block):
        raise DatasetError(
            f"{path} is a pickle, which could run any code and is not read; save its "
            "table as CSV or Parquet"
        )


def _decode(path: Path, blocks: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    is_first = True
    for block in _with_end(blocks):
        if is_first:
            _require_encoding(path, block, encoding)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise DatasetError(_wrong_encoding(path, line, encoding)) from error
        if is_first:
            text = text.removeprefix("\ufeff")
            is_first = False
        line += text.count("\n")
        yield text


def _with_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield from blocks
    yield b""


def _require_encoding(path: Path, block: bytes, encoding: str) -> None:
    """Refuse bytes whose encoding is plainly another one."""
    if encoding.startswith(("utf-16", "utf-32")):
        return
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DatasetError(
            f"{path} begins with the mark of UTF-16; set encoding: utf-16 in its "
            "catalog entry"
        )
    if b"\0" in block:
        raise DatasetError(
            f"{path} holds zero bytes, so it is not text in {encoding}; set encoding: "
            "utf-16-le in its catalog entry if it is UTF-16 without a mark, or export "
            "it as CSV"
        )


def _wrong_encoding(path: Path, line: int, encoding: str) -> str:
    return (
        f"{path} can't be read: line {line:,} is not {encoding}; set encoding in its "
        "catalog entry to the encoding of the file, such as latin-1, cp1252 or utf-16"
    )


def _replace(
    path: Path, texts: Iterable[str], separator: str, stand_in: str
) -> Iterator[str]:
    rest = ""
    for text in texts:
        if stand_in in text:
            raise DatasetError(
                f"{path} can't be read with the separator {separator!r}: it holds the "
                f"character {stand_in!r}, which stands in for it; remove that "
                "character from the file"
            )
        replaced = (rest + text).replace(separator, stand_in)
        # A separator may begin in this text and end in the next.
        n_kept = next(
            n
            for n in range(len(separator) - 1, -1, -1)
            if replaced.endswith(separator[:n])
        )
        cut = len(replaced) - n_kept
        rest = replaced[cut:]
        yield replaced[:cut]
    yield rest
