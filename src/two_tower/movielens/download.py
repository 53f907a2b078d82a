"""Releases fetched from GroupLens: resumed, verified, whole or not at all."""

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

from two_tower.movielens.archive import md5_of
from two_tower.movielens.releases import Release

logger = logging.getLogger(__name__)

PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds to wait after each failed attempt; after the last one there is one more."""

TIMEOUT: Final = 30.0
"""Seconds without a connection or a byte after which an attempt has failed."""

_PIECE_BYTES = 2**16  # what is lost at most when a connection breaks off
_MAY_PASS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}

T = TypeVar("T")


class DownloadError(ValueError):
    """A download that failed for good; the message says why."""


class _AttemptError(Exception):
    """A failure that may have passed at the next attempt."""


def fetch(release: Release, target: Path) -> None:
    """Download a release's archive and put it in place once its MD5 is GroupLens'.

    What has arrived waits in `<target>.part`, where the next attempt, or the next run,
    goes on. If the whole has a wrong MD5 then, it is fetched once more from the start.

    Args:
        release: which archive; it has a `url`.
        target: where it goes. Nothing else is ever seen under that name.

    Raises:
        DownloadError: the network or the server failed, or what came has another MD5
            than GroupLens publishes.
    """
    url = str(release.url)
    published = release.md5 or _retry(lambda: _published_md5(f"{release.md5_url}"))
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    is_resumed = part.exists()
    logger.info("downloading %s", url)
    _retry(lambda: _append_rest(url, part))
    if is_resumed and md5_of(part) != published:
        logger.warning("%s was of another archive: downloading from the start", part)
        part.unlink()
        _retry(lambda: _append_rest(url, part))
    found = md5_of(part)
    if found != published:
        part.unlink()
        raise DownloadError(
            f"what {url} sends has the MD5 {found}, but GroupLens publishes {published}"
        )
    n_bytes = part.stat().st_size
    part.replace(target)
    logger.info("downloaded %s: %d bytes, MD5 as GroupLens publishes", target, n_bytes)


def _retry(attempt: Callable[[], T]) -> T:
    for pause in PAUSES:
        try:
            return attempt()
        except _AttemptError as error:
            logger.warning("%s; trying again in %g s", error, pause)
            time.sleep(pause)
    try:
        return attempt()
    except _AttemptError as error:
        raise DownloadError(f"{error} ({len(PAUSES) + 1} attempts)") from error


def _published_md5(url: str) -> str:
    with _request(url) as response:
        found = re.search(r"\b[0-9a-f]{32}\b", response.text.lower())
    if found is None:
        raise DownloadError(f"{url} holds no MD5")
    return found.group()


def _append_rest(url: str, part: Path) -> None:
    n_there = part.stat().st_size if part.exists() else 0
    with _request(url, start=n_there) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is left to come; the MD5 will tell whether that is right
        is_rest = response.status_code == HTTPStatus.PARTIAL_CONTENT
        n_before = n_there if is_rest else 0
        n_coming = int(response.headers.get("Content-Length", 0))
        with (
            part.open("ab" if is_rest else "wb") as file,
            _progress(part.stem, n_before, n_before + n_coming) as advance,
        ):
            for piece in response.iter_content(_PIECE_BYTES):
                file.write(piece)
                advance(len(piece))


@contextmanager
def _request(url: str, start: int = 0) -> Iterator[requests.Response]:
    # A compressed answer would neither have the length announced nor be resumable.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            _refuse_failure(answer, is_rest=start > 0)
            yield answer
    except requests.Timeout as error:
        raise _AttemptError(f"{url} sent nothing for {TIMEOUT:g} s") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _AttemptError(f"the connection to {url} broke off") from error
    except requests.ConnectionError as error:
        raise _AttemptError(f"no connection to {urlsplit(url).netloc}") from error


def _refuse_failure(answer: requests.Response, *, is_rest: bool) -> None:
    status = answer.status_code
    if answer.ok or (is_rest and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        return
    message = f"{answer.url} answers {status} {answer.reason}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _MAY_PASS:
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
