"""Download of releases from GroupLens: resumed, verified, complete or absent."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import requests

from two_tower.atomic import flush, name_failures
from two_tower.movielens.archive import file_md5
from two_tower.movielens.releases import Release

logger = logging.getLogger(__name__)

PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds to wait before each further attempt after a failed one."""

TIMEOUT: Final = 30.0
"""Seconds without a connection or a byte after which an attempt fails."""

_CHUNK_BYTES = 2**16  # at most this much is lost when a connection breaks off
_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}

T = TypeVar("T")


class DownloadError(ValueError):
    """A download has failed for good; the message says why."""


class _AttemptError(Exception):
    """An attempt has failed; the next one may succeed."""


def download_release(release: Release, target: Path) -> None:
    """Download a release's archive, and save it once its MD5 equals the published one.

    Received bytes are kept in `<target>.part`, from which the next attempt or the next
    run resumes. A resumed download with a wrong MD5 is restarted once.

    Args:
        release: a release with a `url`.
        target: path of the complete archive.

    Raises:
        DownloadError: the network or the server failed, or the MD5 differs from the
            one that GroupLens publishes.
        SaveError: the disk is full, or the folder not writable.
    """
    with name_failures(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        _download(release, part)
        n_bytes = part.stat().st_size
        flush(part)
        part.replace(target)
    logger.info("downloaded %s: %d bytes, MD5 equal to GroupLens'", target, n_bytes)


def _download(release: Release, part: Path) -> None:
    """Append to `part` until its MD5 is the published one."""
    url = str(release.url)
    published = release.md5 or _retry(lambda: _published_md5(f"{release.md5_url}"))
    is_resumed = part.exists()
    logger.info("downloading %s", url)
    _retry(lambda: _append_rest(url, part))
    if is_resumed and file_md5(part) != published:
        logger.warning("%s has a wrong MD5; downloading from the start", part)
        part.unlink()
        _retry(lambda: _append_rest(url, part))
    received = file_md5(part)
    if received != published:
        part.unlink()
        raise DownloadError(
            f"{url} sent an archive of MD5 {received}, but GroupLens publishes "
            f"{published}"
        )


def _retry(attempt: Callable[[], T]) -> T:
    for pause in PAUSES:
        try:
            return attempt()
        except _AttemptError as error:
            logger.warning("%s; retrying in %g s", error, pause)
            time.sleep(pause)
    try:
        return attempt()
    except _AttemptError as error:
        raise DownloadError(f"{error} ({len(PAUSES) + 1} attempts)") from error


def _published_md5(url: str) -> str:
    with _request(url) as response:
        md5 = re.search(r"\b[0-9a-f]{32}\b", response.text.lower())
    if md5 is None:
        raise DownloadError(f"{url} holds no MD5")
    return md5.group()


def _append_rest(url: str, part: Path) -> None:
    n_received = part.stat().st_size if part.exists() else 0
    with _request(url, start=n_received) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # no bytes are missing; the MD5 is checked by the caller
        is_rest = response.status_code == HTTPStatus.PARTIAL_CONTENT
        n_before = n_received if is_rest else 0
        n_missing = int(response.headers.get("Content-Length", 0))
        with (
            part.open("ab" if is_rest else "wb") as file,
            _progress(part.stem, n_before, n_before + n_missing) as advance,
        ):
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                advance(len(chunk))


@contextmanager
def _request(url: str, start: int = 0) -> Iterator[requests.Response]:
    # A compressed response could not be resumed, and its length would be unknown.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=TIMEOUT
        ) as response:
            _refuse_failure(response, is_rest=start > 0)
            yield response
    except requests.Timeout as error:
        raise _AttemptError(f"{url} sent nothing for {TIMEOUT:g} s") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _AttemptError(f"the connection to {url} broke off") from error
    except requests.ConnectionError as error:
        raise _AttemptError(f"no connection to {urlsplit(url).netloc}") from error


def _refuse_failure(response: requests.Response, *, is_rest: bool) -> None:
    status = response.status_code
    is_complete = is_rest and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    if response.ok or is_complete:
        return
    message = f"{response.url} answered {status} {response.reason}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRANSIENT:
        raise _AttemptError(message)
    raise DownloadError(message)


@contextmanager
def _progress(name: str, n_done: int, n_total: int) -> Iterator[Callable[[int], None]]:
    from rich import get_console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    is_shown = get_console().is_terminal
    with Progress(*columns, transient=True, disable=not is_shown) as progress:
        task = progress.add_task(name, completed=n_done, total=n_total or None)
        yield lambda n_bytes: progress.advance(task, n_bytes)
