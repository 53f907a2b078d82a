import hashlib
import logging
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from two_tower.movielens import download
from two_tower.movielens.download import DownloadError, download_release
from two_tower.movielens.releases import RELEASES

ARCHIVE = bytes(range(256)) * 400
MD5 = hashlib.md5(ARCHIVE, usedforsecurity=False).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files` by path, after one of the `faults` per request.

    A fault is a status and a number of bytes after which the connection is cut.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/a.zip": ARCHIVE, "/a.zip.md5": f"{MD5}  a.zip\n".encode()}
        self.faults, self.requests, self.supports_ranges = [], [], True
        self.answers = threading.Event()
        self.answers.set()

    def handle_error(self, *_):
        """Ignore clients that have disconnected, as some tests let them."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/a.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        requested = self.headers.get("Range")
        server.requests.append((self.path, requested))
        server.answers.wait()
        status, n_sent = server.faults.pop(0) if server.faults else (200, None)
        data = server.files[self.path]
        if requested and server.supports_ranges and status == 200:
            start = int(requested.removeprefix("bytes=").removesuffix("-"))
            status, data = (206, data[start:]) if start < len(data) else (416, b"")
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:n_sent])

    def log_message(self, *_):
        """Write no log."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(download, "TIMEOUT", 5.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def release(server):
    return replace(RELEASES["ml-1m"], url=server.url, md5=MD5)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "01_raw" / "ml-1m.zip"


def files_beside(target):
    return {path.name: path.read_bytes() for path in target.parent.iterdir()}


def test_an_archive_is_downloaded_without_leftovers(release, target):
    download_release(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}


def test_the_md5_of_a_release_that_changes_is_downloaded_first(server, release, target):
    download_release(replace(release, md5=None), target)
    assert [path for path, _ in server.requests] == ["/a.zip.md5", "/a.zip"]
    assert target.read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    "text", [f"MD5 (a.zip) = {MD5}\n", f"{MD5.upper()} *a.zip\r\n", MD5]
)
def test_an_md5_is_found_in_each_form_of_its_file(server, release, target, text):
    server.files["/a.zip.md5"] = text.encode()
    download_release(replace(release, md5=None), target)
    assert target.read_bytes() == ARCHIVE


def test_an_md5_file_without_one_is_refused(server, release, target):
    server.files["/a.zip.md5"] = b"<html>moved</html>"
    with pytest.raises(DownloadError, match=r"a\.zip\.md5 holds no MD5"):
        download_release(replace(release, md5=None), target)


def test_a_broken_download_is_resumed(server, release, target):
    server.faults = [(200, 70_000)]
    download_release(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}
    # One complete chunk of 64 KiB of the 70,000 bytes was kept.
    assert server.requests == [("/a.zip", None), ("/a.zip", "bytes=65536-")]


def test_a_download_restarts_if_the_server_supports_no_ranges(server, release, target):
    server.faults, server.supports_ranges = [(200, 70_000)], False
    download_release(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}


def test_a_later_run_resumes_the_download_of_an_earlier_one(server, release, target):
    server.faults = [(200, 70_000)] * 3
    server.supports_ranges = False
    with pytest.raises(DownloadError, match=r"broke off \(3 attempts\)"):
        download_release(release, target)
    assert list(files_beside(target)) == ["ml-1m.zip.part"]
    server.supports_ranges = True
    download_release(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}
    assert server.requests[-1] == ("/a.zip", "bytes=65536-")


@pytest.mark.parametrize(
    "left", [b"of another archive", ARCHIVE[:-1] + b"x", b"x" * 200_000]
)
def test_the_partial_download_of_another_archive_is_discarded(release, target, left):
    target.parent.mkdir()
    target.with_name("ml-1m.zip.part").write_bytes(left)
    download_release(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}


def test_a_complete_partial_file_is_not_downloaded_again(server, release, target):
    target.parent.mkdir()
    target.with_name("ml-1m.zip.part").write_bytes(ARCHIVE)
    download_release(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}
    assert server.requests == [("/a.zip", f"bytes={len(ARCHIVE)}-")]


def test_a_download_with_a_wrong_md5_leaves_no_file(server, release, target):
    server.files["/a.zip"] = ARCHIVE[:-1] + b"x"
    with pytest.raises(DownloadError, match=f"GroupLens publishes {MD5}"):
        download_release(release, target)
    assert files_beside(target) == {}


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_permanent_failure_is_not_retried(server, release, target, status):
    server.faults = [(status, None)]
    with pytest.raises(DownloadError, match=rf"a\.zip answered {status}"):
        download_release(release, target)
    assert len(server.requests) == 1
    assert files_beside(target) == {}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_transient_failure_is_retried(server, release, target, status, caplog):
    server.faults = [(status, None)] * 2
    with caplog.at_level(logging.WARNING):
        download_release(release, target)
    assert target.read_bytes() == ARCHIVE
    assert len(server.requests) == 3
    assert [f"answered {status}" in line for line in caplog.messages] == [True, True]


def test_a_server_that_stays_down_is_an_error(server, release, target):
    server.faults = [(503, None)] * 9
    with pytest.raises(DownloadError, match=r"answered 503 .*\(3 attempts\)"):
        download_release(release, target)
    assert len(server.requests) == 3


def test_a_server_that_does_not_respond_is_an_error(
    server, release, target, monkeypatch
):
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    server.answers = threading.Event()
    with pytest.raises(DownloadError, match=r"sent nothing for 0\.05 s"):
        download_release(release, target)
    server.answers.set()


def test_a_missing_network_is_an_error_of_one_line(release, target, monkeypatch):
    unreachable = replace(release, url="http://127.0.0.1:9/a.zip")  # "discard": unused
    with pytest.raises(DownloadError, match=r"^no connection to 127\.0\.0\.1:9 \(3"):
        download_release(unreachable, target)
