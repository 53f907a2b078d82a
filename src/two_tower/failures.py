"""The message that a failed run ends with, and the file that keeps its traceback."""

import platform
import re
import shlex
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import kedro
import omegaconf
import pydantic
import pydantic_core
import yaml
from kedro.config import MissingConfigException
from kedro.framework.session.abstract_session import KedroSessionError
from kedro.io import DatasetError
from kedro.validation import DataValidationError, ParameterValidationError
from omegaconf.errors import OmegaConfBaseException

import two_tower
from two_tower.messages import shorten

LOG: Final = Path("logs", "errors.log")
"""File of the tracebacks, in the project's folder."""

LOG_BYTES: Final = 1 << 20
"""Size from which the file is moved to `errors.log.1`, in place of an older one."""

SHOWN_CHARACTERS: Final = 500
"""Most characters of a fault's own text in its message; TensorFlow's have pages."""

REFUSALS: Final = (
    click.ClickException,
    DatasetError,
    KedroSessionError,
    MemoryError,
    MissingConfigException,
    OSError,
    OmegaConfBaseException,
    ParameterValidationError,
    UnicodeEncodeError,
    pydantic.ValidationError,
    yaml.YAMLError,
)
"""Errors whose message speaks to the user, wherever they are raised."""

SPEAKING: Final = tuple(
    Path(str(package.__file__)).parent
    for package in (kedro, omegaconf, pydantic, pydantic_core, two_tower)
)
"""Packages whose ValueErrors and RuntimeErrors speak to the user; others are faults."""

FAILED = re.compile(
    r"(?:(.+?): )?Failed while (load|sav)ing data (?:from|to) dataset (.*?)\.\n",
    re.DOTALL,
)
"""Words of Kedro's datasets around an error; its catalog puts the name before them."""

OUT_OF_MEMORY = re.compile("OOM when|RESOURCE_EXHAUSTED|[Oo]ut of memory")
RESOLVED = re.compile(r"\w+ raised while resolving interpolation: ")
ABSENT = re.compile(
    r"(Globals key|Runtime parameter|Interpolation key) '(.+?)' not found"
)
"""Words of Kedro and OmegaConf for a reference to a key that no file gives."""


def describe(error: BaseException) -> str:
    """Return the message of a failed run.

    A refusal is its cause alone. Any other error is a fault of the program: the message
    has what is needed to report it.
    """
    if _is_refusal(error):
        return _explain(error)
    fault = _innermost(error)
    frame = _own_frame(fault)
    where = f", in {frame}" if frame else ""
    text = shorten(str(fault), SHOWN_CHARACTERS)
    return (
        f"{type(fault).__name__}: {text}{where}. This is a fault of "
        "the program, not of its input; please report it with the traceback"
    )


def keep_traceback(error: BaseException, project: Path, command: Sequence[str]) -> str:
    """Append an error's traceback to the project's log; return a line that says where.

    Args:
        error: the error.
        project: folder of the project.
        command: words of the command that failed.
    """
    log = project / LOG
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    heading = (
        f"{now} {shlex.join(command)}\n"
        f"two-tower {two_tower.__version__}, Kedro {kedro.__version__}, "
        f"Python {platform.python_version()}"
    )
    text = "".join(traceback.format_exception(error))[-LOG_BYTES // 2 :]
    try:
        log.parent.mkdir(exist_ok=True)
        _append(f"{heading}\n{text}\n", log)
    except OSError as failure:
        return f"The traceback is lost: {log} can't be written ({failure.strerror})"
    is_below = log.is_relative_to(Path.cwd())
    return f"The traceback is in {log.relative_to(Path.cwd()) if is_below else log}"


def _append(text: str, log: Path) -> None:
    """Append to a file, which is moved away first if it would grow too large."""
    size = log.stat().st_size if log.exists() else 0
    # Words of a terminal without UTF-8 are surrogates, which no file can hold.
    content = text.encode(errors="backslashreplace")
    if size and size + len(content) > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("ab") as file:
        file.write(content)


def _is_refusal(error: BaseException) -> bool:
    if isinstance(error, DatasetError) and FAILED.match(str(error)):
        cause = error.__cause__
        return cause is None or _is_remote(cause) or _is_refusal(cause)
    if isinstance(error, REFUSALS) or _memory_error(error):
        return True
    return isinstance(error, ValueError | RuntimeError) and _speaks(error)


def _explain(error: BaseException) -> str:
    """Return the text of a refusal, without what Kedro and OmegaConf put around it."""
    text = str(error) or type(error).__name__
    if lack := _explain_machine(error):
        return lack
    if isinstance(error, DataValidationError) and error.dataset_name:
        done = "loaded" if error.mode == "load" else "saved"
        return f"{error.dataset_name} can't be {done}: {error.message}"
    if isinstance(error, DatasetError) and (match := FAILED.match(text)):
        name, action, dataset = match.groups()
        done = "loaded" if action == "load" else "saved"
        inner = _innermost(error)
        cause = _explain(inner) if _memory_error(inner) else text[match.end() :]
        return f"{name or _name(dataset)} can't be {done}: {cause}"
    if isinstance(error, OmegaConfBaseException):
        return _explain_configuration(error)
    if isinstance(error, yaml.YAMLError):
        return _explain_yaml(error)
    return text


def _explain_machine(error: BaseException) -> str:
    """Return what memory or terminal lacks, or "" for another error."""
    if memory := _memory_error(error):
        return (
            f"there is too little memory ({memory}); lower what a batch or a chunk "
            "holds: tokens_per_batch, pairs, logits_chunk, item_block, chunks"
        )
    if isinstance(error, UnicodeEncodeError):
        found = error.object[error.start : error.end]
        return (
            f"{found!a} can't be written in this terminal's encoding "
            f"({error.encoding}); set the variable PYTHONUTF8=1, and run again"
        )
    return ""


def _explain_configuration(error: OmegaConfBaseException) -> str:
    """Return the key that can't be resolved, and why, in one line."""
    first = RESOLVED.sub("", str(error)).splitlines()[0]
    if match := ABSENT.search(first):
        kind, name = match.groups()
        first = f"it refers to {name}, which no file of parameters gives"
        if kind == "Globals key":
            first = (
                f"it refers to the global {name}, which no globals.yml gives; add it "
                "to conf/base/globals.yml"
            )
        elif kind == "Runtime parameter":
            first = (
                f"it refers to {name} of the command line; run: kedro run --params "
                f"{name}=<value>"
            )
    return f"{error.full_key}: {first}" if error.full_key else first


def _explain_yaml(error: yaml.YAMLError) -> str:
    """Return where a file is no YAML; Kedro's own message counts lines from 0."""
    found = error.__cause__ or error
    mark = getattr(found, "problem_mark", None)
    if not isinstance(found, yaml.MarkedYAMLError) or mark is None:
        return str(error)
    match = re.search(r"file (.+), unable to read", str(error))
    text = "--params" if mark.name.startswith("<") else mark.name
    name = match[1] if match else text
    return (
        f"{name} can't be read as YAML: {found.problem} in line {mark.line + 1}, "
        f"column {mark.column + 1}"
    )


def _name(dataset: str) -> str:
    """Return the file of a dataset, from Kedro's text of it, or the whole text."""
    match = re.search(r"filepath=(.*?)(?:, \w+=|\)$)", dataset)
    return match[1].strip("'") if match else dataset


def _innermost(error: BaseException) -> BaseException:
    """Return the error that Kedro wrapped into DatasetErrors, or the error itself."""
    cause = error.__cause__
    if not isinstance(error, DatasetError) or cause is None or _is_remote(cause):
        return error
    return _innermost(cause)


def _speaks(error: BaseException) -> bool:
    """Return whether an error was raised by code whose messages speak to the user."""
    files = frames_of(error)
    return bool(files) and any(
        Path(files[-1][0]).is_relative_to(package) for package in SPEAKING
    )


def _own_frame(error: BaseException) -> str:
    """Return the last line of the project that an error came through."""
    root = Path(two_tower.__file__).parent
    own = [frame for frame in frames_of(error) if Path(frame[0]).is_relative_to(root)]
    if not own:
        return ""
    file, line, function = own[-1]
    return f"{Path(file).relative_to(root.parent)}, line {line} ({function})"


def frames_of(error: BaseException) -> list[tuple[str, str, str]]:
    """Return file, line and function of an error's traceback, the innermost last.

    ParallelRunner hands on the traceback of another process as text.
    """
    cause = error.__cause__
    if cause is not None and _is_remote(cause):
        return re.findall(r'File "(.+?)", line (\d+), in (\S+)', str(cause))
    found = traceback.extract_tb(error.__traceback__)
    return [(one.filename, str(one.lineno), one.name) for one in found]


def _memory_error(error: BaseException) -> str:
    """Return what could not be allocated, or "" for another error.

    TensorFlow and JAX have a page of text around it.
    """
    if isinstance(error, MemoryError):
        return str(error) or "no more could be allocated"
    is_own = type(error).__module__.startswith(("tensorflow", "jax"))
    lines = str(error).splitlines() if is_own else []
    return next((line.strip() for line in lines if OUT_OF_MEMORY.search(line)), "")


def _is_remote(cause: BaseException) -> bool:
    """Return whether an error's cause is the text of another process's traceback."""
    return type(cause).__name__ == "_RemoteTraceback"
