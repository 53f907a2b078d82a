"""Lock of a data set's outputs, so that one run at a time writes them."""

import errno
import fcntl
import json
import logging
import os
import platform
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from two_tower.atomic import name_failures

logger = logging.getLogger(__name__)

_HELD: Final = {errno.EACCES, errno.EAGAIN}
_UNSUPPORTED: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True)
class _Held:
    """A file that this process has locked, and the thread that runs."""

    file: int
    thread: threading.Thread


class RunLock:
    """Lock on a file, which the operating system releases when the process ends.

    The file itself stays: it says which run holds the lock, or held it last. Forked
    processes do not share the lock, so a worker that outlives its run blocks no other.
    A file system without locks gets a warning instead.

    Args:
        path: of the file; missing folders are made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: _Held | None = None

    def acquire(self, run: str) -> None:
        """Take the lock for a run, or refuse the run.

        Args:
            run: start time of the run, in Kedro's format of versions.

        Raises:
            RuntimeError: another run has the lock; it says which, and since when.
        """
        if self._held and self._held.thread.is_alive():
            # The lock of a run of this thread was left by an interrupt: it has ended.
            if self._held.thread is not threading.current_thread():
                raise RuntimeError(self._refusal())
            self.release()
        with name_failures(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._lock(file)
            self._describe(file, run)
        except BaseException:
            os.close(file)
            raise
        self._held = _Held(file, threading.current_thread())

    def release(self) -> None:
        """Let the next run have the lock."""
        if self._held:
            os.close(self._held.file)
            self._held = None

    def _lock(self, file: int) -> None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                raise RuntimeError(self._refusal()) from error
            if error.errno not in _UNSUPPORTED:
                raise
            logger.warning(
                "the file system of %s has no locks (%s): make sure that no other run "
                "writes the same data set",
                self._path.parent,
                error.strerror,
            )

    def _describe(self, file: int, run: str) -> None:
        about = {
            "run": run,
            "process": os.getpid(),
            "host": platform.node(),
            "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        }
        with name_failures(self._path):
            os.ftruncate(file, 0)
            os.write(file, f"{json.dumps(about, indent=2)}\n".encode())

    def _refusal(self) -> str:
        about: dict[str, Any] = {}
        with suppress(ValueError):  # a run that has only just begun
            about = json.loads(self._path.read_text(encoding="utf-8"))
        folder = self._path.parent
        if not {"run", "process", "host", "since"} <= about.keys():
            return f"another run is writing {folder}; wait until it has ended"
        return (
            f"another run is writing {folder}: run {about['run']}, process "
            f"{about['process']} on {about['host']}, since {about['since']}; wait "
            f"until it has ended, or end it: kill {about['process']}"
        )
