"""Temporary folders that are removed even when their process is killed.

A process holds a lock on its temporary folder, which the system releases when the
process ends, however it ends. An unlocked folder is abandoned: the next one to be made
beside it removes it.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

logger = logging.getLogger(__name__)

TEMPORARY: Final = ".two-tower-scratch-"
"""Start of the names of this project's folders in the system's temporary folder."""

_library_files = threading.Lock()
"""Held while `tempfile` makes its files in another folder."""


class Scratch:
    """A temporary folder of this process.

    Attributes:
        path: the folder, empty at first.
    """

    def __init__(self, parent: Path, prefix: str, name: str = "") -> None:
        """Create the folder, and remove abandoned ones beside it.

        Args:
            parent: an existing folder.
            prefix: start of the name of all such folders in `parent`.
            name: what the folder is for, after the prefix.
        """
        remove_abandoned(parent, prefix)
        self.path, self._lock = _create_locked(parent, f"{prefix}{name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder with all its content."""
        remove_tree(self.path)
        os.close(self._lock)


def temporary_scratch() -> Scratch:
    """Return a new folder in the system's temporary folder (`TMPDIR`)."""
    with _library_files:
        return Scratch(Path(tempfile.gettempdir()), TEMPORARY)


@contextmanager
def library_files_in(folder: Path) -> Iterator[None]:
    """Make libraries use `folder` for the temporary files that they don't name.

    Such a file in the system's temporary folder would stay there if the process is
    killed, and nothing says whose it is.
    """
    with _library_files:
        usual, tempfile.tempdir = tempfile.gettempdir(), str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = usual


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the temporary folders in `parent` whose processes have ended.

    Args:
        parent: a folder; nothing happens if it is missing.
        prefix: start of the folders' names.
    """
    # Not by pattern: `parent` may hold its characters.
    names = os.listdir(parent) if parent.is_dir() else []  # noqa: PTH208
    for name in names:
        if name.startswith(prefix):
            _remove_if_abandoned(parent / name)


def remove_tree(path: Path) -> None:
    """Remove a folder that is no longer needed; a failure is logged, not raised."""
    try:
        shutil.rmtree(path)
    except OSError as error:
        logger.warning(
            "%s could not be removed: %s; the next save tries again", path, error
        )


def try_lock(descriptor: int) -> bool:
    """Lock an open folder until it is closed; return False if another has the lock.

    Some network file systems lock no folders; there the answer is True.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _create_locked(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(dir=parent, prefix=f"{prefix}-"))
        # Until it is locked, another process may take the folder for abandoned.
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY)
            with suppress(OSError):  # some network file systems lock no folders
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _remove_if_abandoned(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # it is gone, or belongs to another user
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its process is alive
        return
    else:
        remove_tree(path)
    finally:
        os.close(lock)
