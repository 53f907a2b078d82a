"""The C library's calls that change files, refused one after the other.

`refuse.c` stands between this process and the C library, so that Python, PyArrow,
DuckDB and Annoy alike meet a disk that is full, not writable or broken.
"""

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("refuse.c")
ERRORS = {"full": errno.ENOSPC, "denied": errno.EACCES, "broken": errno.EIO}


def build(folder: Path) -> dict[str, str]:
    """Compile the library; return the environment of a process that loads it."""
    library = folder / "refuse.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True)  # noqa: S603 - needed for Annoy too
    return {**os.environ, "LD_PRELOAD": str(library)}


class Refusals:
    """Refuses changes below a folder; only in a process that has loaded the library."""

    def __init__(self, folder: Path) -> None:
        self._library = ctypes.CDLL(None)
        self._library.refuse_count.restype = ctypes.c_long
        self._library.refuse_last.restype = ctypes.c_char_p
        self._library.refuse_arm.argtypes = [
            ctypes.c_char_p,
            ctypes.c_long,
            ctypes.c_int,
            ctypes.c_int,
        ]
        self._folder = os.fsencode(folder)

    @contextmanager
    def refuse(self, n: int, error: int, *, and_all_later: bool) -> Iterator[None]:
        """Let the n-th change in the block fail, counted from 1; none with n = 0."""
        self._library.refuse_arm(self._folder, n, error, and_all_later)
        try:
            yield
        finally:
            self.n_changes = int(self._library.refuse_count())
            self.refused = os.fsdecode(self._library.refuse_last())
            self._library.refuse_arm(b"", 0, 0, 0)
