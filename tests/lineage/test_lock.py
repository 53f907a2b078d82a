"""The lock of a data set's outputs, between real processes."""

import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from kedro.pipeline import Node, Pipeline

from tests.lineage.small_runs import run
from two_tower.lineage import hooks
from two_tower.lineage.lock import RunLock

HOLDER = """
import sys
from pathlib import Path
from two_tower.lineage.lock import RunLock
RunLock(Path(sys.argv[1])).acquire("2026-01-01T00.00.00.000Z")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen]:
    """Yield a process that has the lock, or has been refused."""
    process = subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.first_line = process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "data" / "reports" / "lineage.lock"


def test_a_second_run_is_refused_with_the_first_one_and_since_when(path):
    with holder(path) as first:
        since = json.loads(path.read_text())["since"]
        with pytest.raises(RuntimeError) as refusal:
            RunLock(path).acquire("2026-01-02T00.00.00.000Z")
    assert str(refusal.value) == (
        f"another run is writing {path.parent}: run 2026-01-01T00.00.00.000Z, process "
        f"{first.pid} on {os.uname().nodename}, since {since}; wait until it has "
        f"ended, or end it: kill {first.pid}"
    )


def test_a_stopped_run_keeps_its_lock(path):
    with holder(path) as first:
        first.send_signal(signal.SIGSTOP)
        with pytest.raises(RuntimeError, match="another run is writing"):
            RunLock(path).acquire("b")


def test_a_killed_run_blocks_no_other(path):
    with holder(path) as first:
        first.kill()
        first.wait()
        lock = RunLock(path)
        lock.acquire("2026-01-02T00.00.00.000Z")
    assert json.loads(path.read_text())["run"] == "2026-01-02T00.00.00.000Z"
    lock.release()


def test_one_of_two_runs_that_start_at_once_is_refused(path):
    for _ in range(3):
        with holder(path) as one, holder(path) as other:
            lines = sorted([one.first_line, other.first_line])
            assert lines == ["", "locked\n"]


def test_runs_of_other_data_sets_go_side_by_side(path, tmp_path):
    with holder(path):
        lock = RunLock(tmp_path / "other.lock")
        lock.acquire("b")
        lock.release()


def test_a_released_lock_is_free(path):
    lock = RunLock(path)
    lock.acquire("a")
    lock.release()
    with holder(path) as next_one:
        assert next_one.first_line == "locked\n"


def test_a_fork_does_not_keep_the_lock(path):
    lock = RunLock(path)
    lock.acquire("a")
    sleeper = os.fork()
    if sleeper == 0:
        signal.pause()
        os._exit(0)
    lock.release()
    try:
        with holder(path) as next_one:
            assert next_one.first_line == "locked\n"
    finally:
        os.kill(sleeper, signal.SIGKILL)
        os.waitpid(sleeper, 0)


def test_a_run_after_an_interrupted_one_of_its_thread_has_the_lock(path):
    lock = RunLock(path)
    lock.acquire("a")
    lock.acquire("b")
    assert json.loads(path.read_text())["run"] == "b"
    lock.release()


def test_a_run_of_another_thread_is_refused(path):
    lock = RunLock(path)
    lock.acquire("a")
    errors = []

    def acquire() -> None:
        try:
            lock.acquire("b")
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=acquire)
    thread.start()
    thread.join()
    assert len(errors) == 1
    lock.release()


def test_a_file_system_without_locks_gets_a_warning(path, monkeypatch, caplog):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    lock = RunLock(path)
    lock.acquire("a")
    lock.release()
    assert (
        "has no locks (No locks available): make sure that no other run" in caplog.text
    )


def test_a_lock_that_fails_otherwise_is_an_error(path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        RunLock(path).acquire("a")


def test_an_unreadable_holder_is_refused_without_its_name(path):
    with holder(path):
        path.write_text("{")
        with pytest.raises(RuntimeError, match=r"wait until it has ended$"):
            RunLock(path).acquire("b")


WORKER = """
import multiprocessing, os, signal
from two_tower.lineage.hooks import LockHooks

def work(pipe):
    LockHooks().before_node_run()
    pipe.send(os.getpid())
    signal.pause()

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    multiprocessing.Process(target=work, args=[there]).start()
    print(here.recv(), flush=True)
    signal.pause()
"""


def test_a_worker_of_a_killed_run_ends_with_it():
    run = subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True
    )
    worker = os.pidfd_open(int(run.stdout.readline()))
    run.kill()
    run.wait()
    ended, _, _ = select.select([worker], [], [], 20)
    os.close(worker)
    assert ended


def test_a_worker_waits_for_its_run_once(monkeypatch):
    ended, signals, waiting = threading.Event(), [], []

    def kill(*arguments: int) -> None:
        signals.append(arguments)
        ended.set()

    parent = SimpleNamespace(join=lambda: waiting.append(threading.current_thread()))
    monkeypatch.setattr(hooks.multiprocessing, "parent_process", lambda: parent)
    monkeypatch.setattr(hooks.os, "kill", kill)
    of_worker = hooks.LockHooks()
    of_worker.before_node_run()
    assert ended.wait(10)
    of_worker.before_node_run()
    assert signals == [(os.getpid(), signal.SIGKILL)]
    assert waiting[0].daemon  # a worker may end before its run


def is_locked(path: Path) -> bool:
    """Return whether another process is refused the lock."""
    child = os.fork()
    if child == 0:
        try:
            RunLock(path).acquire("b")
        except RuntimeError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_has_the_lock_until_its_end(folder, fails):
    lock, found = folder / "lineage.lock", []

    def probe(numbers: list[int]) -> list[int]:
        found.append(is_locked(lock))
        if fails:
            raise ValueError("the node gave up")
        return numbers

    pipeline = Pipeline([Node(probe, "raw", "sum", name="probe")])
    with pytest.raises(ValueError, match="gave up") if fails else nullcontext():
        run(folder, pipeline=pipeline)
    assert found == [True]
    assert not is_locked(lock)


def test_a_refused_run_gives_its_lock_back(folder):
    with pytest.raises(ValueError, match="scaled has no lineage record"):
        run(folder, "add")
    assert not is_locked(folder / "lineage.lock")
