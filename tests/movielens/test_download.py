import hashlib
import logging
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from two_tower.movielens import download
from two_tower.movielens.download import DownloadError, fetch
from two_tower.movielens.releases import RELEASES

ARCHIVE = bytes(range(256)) * 400
MD5 = hashlib.md5(ARCHIVE, usedforsecurity=False).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files` by path; `faults` come first, one for each request of the archive.

    A fault is a status, or a number of bytes after which the connection is cut.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/a.zip": ARCHIVE, "/a.zip.md5": f"{MD5}  a.zip\n".encode()}
        self.faults, self.asked, self.knows_ranges = [], [], True
        self.answers = threading.Event()
        self.answers.set()

    def handle_error(self, *_):
        """Say nothing of clients that have gone: it is what some tests do."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/a.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append((self.path, wanted))
        server.answers.wait()
        status, n_sent = server.faults.pop(0) if server.faults else (200, None)
        data = server.files[self.path]
        if wanted and server.knows_ranges and status == 200:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            status, data = (206, data[start:]) if start < len(data) else (416, b"")
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:n_sent])

    def log_message(self, *_):
        """Keep quiet."""


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


def test_an_archive_is_downloaded_and_nothing_else_left(release, target):
    fetch(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}


def test_the_md5_of_a_release_that_changes_is_asked_for(server, release, target):
    fetch(replace(release, md5=None), target)
    assert [path for path, _ in server.asked] == ["/a.zip.md5", "/a.zip"]
    assert target.read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    "text", [f"MD5 (a.zip) = {MD5}\n", f"{MD5.upper()} *a.zip\r\n", MD5]
)
def test_an_md5_is_found_however_it_is_written(server, release, target, text):
    server.files["/a.zip.md5"] = text.encode()
    fetch(replace(release, md5=None), target)
    assert target.read_bytes() == ARCHIVE


def test_an_md5_file_without_one_is_refused(server, release, target):
    server.files["/a.zip.md5"] = b"<html>moved</html>"
    with pytest.raises(DownloadError, match=r"a\.zip\.md5 holds no MD5"):
        fetch(replace(release, md5=None), target)


def test_a_download_goes_on_where_it_was_cut(server, release, target):
    server.faults = [(200, 70_000)]
    fetch(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}
    # Of the 70,000 bytes, one whole piece of 64 KiB was kept.
    assert server.asked == [("/a.zip", None), ("/a.zip", "bytes=65536-")]


def test_a_download_starts_again_where_the_server_knows_no_ranges(
    server, release, target
):
    server.faults, server.knows_ranges = [(200, 70_000)], False
    fetch(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}


def test_a_later_run_goes_on_with_what_an_earlier_one_left(server, release, target):
    server.faults = [(200, 70_000)] * 3
    server.knows_ranges = False
    with pytest.raises(DownloadError, match=r"broke off \(3 attempts\)"):
        fetch(release, target)
    assert list(files_beside(target)) == ["ml-1m.zip.part"]
    server.knows_ranges = True
    fetch(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}
    assert server.asked[-1] == ("/a.zip", "bytes=65536-")


@pytest.mark.parametrize(
    "left", [b"of another archive", ARCHIVE[:-1] + b"x", b"x" * 200_000]
)
def test_what_is_left_of_another_archive_is_thrown_away(release, target, left):
    target.parent.mkdir()
    target.with_name("ml-1m.zip.part").write_bytes(left)
    fetch(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}


def test_a_whole_download_that_was_left_is_not_asked_for_again(server, release, target):
    target.parent.mkdir()
    target.with_name("ml-1m.zip.part").write_bytes(ARCHIVE)
    fetch(release, target)
    assert files_beside(target) == {"ml-1m.zip": ARCHIVE}
    assert server.asked == [("/a.zip", f"bytes={len(ARCHIVE)}-")]


def test_a_wrong_md5_leaves_nothing(server, release, target):
    server.files["/a.zip"] = ARCHIVE[:-1] + b"x"
    with pytest.raises(DownloadError, match=f"GroupLens publishes {MD5}"):
        fetch(release, target)
    assert files_beside(target) == {}


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    server, release, target, status
):
    server.faults = [(status, None)]
    with pytest.raises(DownloadError, match=rf"a\.zip answers {status}"):
        fetch(release, target)
    assert len(server.asked) == 1
    assert files_beside(target) == {}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_answer_that_may_change_is_asked_for_again(
    server, release, target, status, caplog
):
    server.faults = [(status, None)] * 2
    with caplog.at_level(logging.WARNING):
        fetch(release, target)
    assert target.read_bytes() == ARCHIVE
    assert len(server.asked) == 3
    assert [f"answers {status}" in line for line in caplog.messages] == [True, True]


def test_a_server_that_stays_down_is_given_up(server, release, target):
    server.faults = [(503, None)] * 9
    with pytest.raises(DownloadError, match=r"answers 503 .*\(3 attempts\)"):
        fetch(release, target)
    assert len(server.asked) == 3


def test_a_server_that_says_nothing_is_given_up(server, release, target, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    server.answers = threading.Event()
    with pytest.raises(DownloadError, match=r"sent nothing for 0\.05 s"):
        fetch(release, target)
    server.answers.set()


def test_no_network_is_said_in_one_line(release, target, monkeypatch):
    nobody = replace(release, url="http://127.0.0.1:9/a.zip")  # "discard": unused
    with pytest.raises(DownloadError, match=r"^no connection to 127\.0\.0\.1:9 \(3"):
        fetch(nobody, target)
