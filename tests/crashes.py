"""Processes that are killed, stopped or refused a write before a change to files.

A change is a file opened for writing, renamed, linked or removed, or a folder made or
removed, by Python below one folder. `run_forked` does it to a function, `Forks` to
`kedro` commands: it forks them from one process that has imported everything, so that
a command takes seconds.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.project import SOURCE, environment

KILL, STOP = "kill", "stop"
"""What happens before a change; the name of an OSError's errno is raised instead."""

_PATHS = {
    "os.rename": (1, 3),
    "os.link": (1, 3),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.mkdir": (0, 2),
}
"""Position of the changed path and of its `dir_fd` in the event of an audit hook."""


@dataclass(frozen=True)
class Done:
    """A finished process: its exit code, what it wrote, its changes in order."""

    code: int
    output: str
    changes: list[str]


def watch(folder: Path, log: int, *, at: int = 0, action: str = KILL) -> None:
    """Log this process's changes below a folder, and act before one of them.

    It can't be undone: call it in a process that ends.

    Args:
        folder: absolute path.
        log: descriptor of a file, which gets a line for each change.
        at: number of the change, from 1; 0: none.
        action: `KILL`, `STOP`, or the name of an errno, which is raised.
    """
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        path = _changed(event, args)
        if path is None or not path.startswith(f"{folder}{os.sep}"):
            return
        count += 1
        os.write(log, f"{event} {path}\n".encode())
        if count != at:
            return
        if action in (KILL, STOP):
            os.kill(os.getpid(), getattr(signal, f"SIG{action.upper()}"))
        else:
            import errno

            number = getattr(errno, action)
            raise OSError(number, os.strerror(number), path)

    sys.addaudithook(hook)


def _changed(event: str, args: tuple[Any, ...]) -> str | None:
    """Return the path that an audited event changes, or None."""
    if event == "open":
        path, _, flags = args
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        return _absolute(path) if _is_path(path) and writes else None
    if event not in _PATHS:
        return None
    path, dir_fd = (args[i] for i in _PATHS[event])
    base = Path(f"/proc/self/fd/{dir_fd}").resolve() if dir_fd >= 0 else Path.cwd()
    return _absolute(base / os.fsdecode(path))


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (links are not followed)


def _is_path(path: Any) -> bool:
    return isinstance(path, str | bytes | os.PathLike)


def run_forked(
    function: Callable[[], object], folder: Path, *, at: int = 0, action: str = KILL
) -> Done:
    """Call a function in a fork of this process, and act before one of its changes.

    Args:
        function: an exception from it is written to the output; the code is then 1.
        folder: whose changes are counted, see `watch`.
        at: number of the change, from 1; 0: none.
        action: see `watch`; after STOP the process is killed.
    """
    return _wait(*_fork(function, folder, at, action))


def _fork(
    function: Callable[[], object], folder: Path, at: int, action: str
) -> tuple[int, str, str]:
    """Return the process, the file of its output, and the file of its changes."""
    (output, output_path), (log, log_path) = (tempfile.mkstemp() for _ in range(2))
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            watch(folder.resolve(), log, at=at, action=action)
            function()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 (this process ends)
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(output)
    os.close(log)
    return process, output_path, log_path


def _wait(process: int, output: str, log: str) -> Done:
    _, status = os.waitpid(process, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    texts = [Path(path).read_text(errors="replace") for path in (output, log)]
    for path in (output, log):
        Path(path).unlink()
    return Done(os.waitstatus_to_exitcode(status), texts[0], texts[1].splitlines())


class Forks:
    """A process that runs `kedro` commands in forks of itself.

    Example:
        ```python
        with Forks(project.folder) as forks:
            n_changes = len(forks.run(project.folder, "run", "--env", "test").changes)
            forks.run(project.folder, "run", "--env", "test", at=3)  # killed
        ```
    """

    def __init__(self, project: Path, *, with_keras: bool = False) -> None:
        """Start the process.

        Args:
            project: whose code it imports; the commands may run in copies of it.
            with_keras: whether TensorFlow is imported too.
        """
        self._server = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-m", "tests.crashes", str(project), str(int(with_keras))],
            env=environment() | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate("")

    def run(self, project: Path, *args: str, at: int = 0, action: str = KILL) -> Done:
        """Run `kedro <args>` in a project's folder, and act before one of its changes.

        Args:
            project: the folder; changes below its `data` are counted.
            args: of `kedro`.
            at: number of the change, from 1; 0: none.
            action: see `watch`; after STOP the process is killed.
        """
        return self.wait(self.start(project, *args, at=at, action=action))

    def start(self, project: Path, *args: str, at: int = 0, action: str = KILL) -> int:
        """Start what `run` runs, and return its process."""
        started = self._ask(project=str(project), args=args, at=at, action=action)
        return int(started["process"])

    def wait(self, process: int) -> Done:
        """Wait until a started process has ended; one that has stopped is killed."""
        return Done(**self._ask(wait=process))

    def wait_for_stop(self, process: int) -> None:
        """Wait until a started process has stopped or ended."""
        self._ask(stop=process)

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def _import_all(project: Path, *, with_keras: bool) -> None:
    os.chdir(project)
    import kedro_datasets.ibis  # noqa: F401
    from kedro.framework.project import pipelines
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    dict(pipelines)
    if with_keras:
        import two_tower.towers.registry
        import two_tower.training.assembly  # noqa: F401


def _run_kedro(project: Path, args: list[str]) -> None:
    os.chdir(project)
    from kedro.framework.cli.cli import KedroCLI

    KedroCLI(project_path=project).main(args=args, prog_name="kedro")


def _serve(project: Path, *, with_keras: bool) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # imports may print
    _import_all(project, with_keras=with_keras)
    forked = {}
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            answer = vars(_wait(question["wait"], *forked.pop(question["wait"])))
        elif "stop" in question:
            # It stays to be waited for.
            options = os.WSTOPPED | os.WEXITED | os.WNOWAIT
            os.waitid(os.P_PID, question["stop"], options)
            answer = {}
        else:
            folder, args = Path(question["project"]), question["args"]
            process, *files = _fork(
                lambda folder=folder, args=args: _run_kedro(folder, args),
                folder / "data",
                question["at"],
                question["action"],
            )
            forked[process] = files
            answer = {"process": process}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), with_keras=sys.argv[2] == "1")
