"""`download_deepfluoro` against a server of our own: whole, cut, changed, full, gone. Nothing comes from outside."""

import errno
import gzip
import hashlib
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

import deepdrr.data
from deepdrr.data import download_deepfluoro
from deepdrr.data.samples import _download, _part

IMAGE, LABELS = "/subject01/volume.nii.gz", "/subject01/mask.nii.gz"


def nifti(values: np.ndarray) -> bytes:
    return gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes(), mtime=0)


NOISE = np.random.default_rng(0).integers(-1000, 1000, (40, 40, 40)).astype(np.int16)
FILES = {IMAGE: nifti(NOISE), LABELS: nifti((NOISE > 0).astype(np.uint8))}


class Server(http.server.ThreadingHTTPServer):
    """Files, and what goes wrong with them."""

    files: dict[str, bytes]
    requests: list[tuple[str, str | None]]  # path, and the range that was asked for

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.requests = []
        self.cut_after: list[int] = []  # bytes until the connection ends, one entry a request
        self.status: list[int] = []  # answered in place of the file, one entry a request
        self.ranges = True
        self.tags = True
        self.length = True
        self.pause_s = 0.0  # between pieces of 1000 bytes

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away in the middle, on purpose."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.requests.append((self.path, asked))
        if server.status:
            return self.send_error(server.status.pop(0))
        if self.path not in server.files:
            return self.send_error(404)
        content = server.files[self.path]
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if asked and server.ranges and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.length:
            self.send_header("Content-Length", str(len(content) - start))
        if server.tags:
            self.send_header("ETag", tag)
        self.end_headers()
        end = start + server.cut_after.pop(0) if server.cut_after else len(content)
        for at in range(start, end, 1000):
            self.wfile.write(content[at : min(at + 1000, end)])
            if server.pause_s:
                time.sleep(server.pause_s)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files of subject 1 belong; nothing is asked of the outside, and nobody waits."""
    monkeypatch.setenv("DEEPDRR_CACHE", str(tmp_path))
    monkeypatch.setenv("DEEPDRR_DEEPFLUORO_URL", "http://127.0.0.1:9/nobody-listens")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(_part, "_PAUSE_S", 0.0)
    monkeypatch.setattr(_part, "_CHUNK_BYTES", 5000)
    return tmp_path / "deepfluoro" / "subject01"


def fetch(server: Server, **options: object) -> tuple[str, str]:
    return download_deepfluoro(1, url=server.url, progress=False, **options)  # type: ignore[arg-type]


def names(folder: Path) -> set[str]:
    """Files that are kept, but for the locks."""
    return {path.name for path in folder.glob("*") if path.suffix != ".lock"} if folder.exists() else set()


def test_both_files_come_whole_and_only_once(server: Server, cache: Path) -> None:
    image, labels = fetch(server)
    assert (image, labels) == (str(cache / "volume.nii.gz"), str(cache / "mask.nii.gz"))
    assert Path(image).read_bytes() == server.files[IMAGE]
    assert Path(labels).read_bytes() == server.files[LABELS]
    assert names(cache) == {"volume.nii.gz", "mask.nii.gz"}
    assert fetch(server) == (image, labels)
    assert server.requests == [(IMAGE, None), (LABELS, None)]


def test_the_mirror_may_be_named_in_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPDRR_DEEPFLUORO_URL", server.url.rstrip("/"))
    download_deepfluoro(progress=False)
    assert [path for path, _ in server.requests] == [IMAGE, LABELS]


def test_a_mirror_may_be_a_folder(server: Server, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror" / "subject01"
    mirror.mkdir(parents=True)
    for path, content in server.files.items():
        (mirror / Path(path).name).write_bytes(content)
    image, _ = download_deepfluoro(url=mirror.parent.as_uri(), progress=False)
    assert Path(image).read_bytes() == server.files[IMAGE]


def test_a_cut_connection_is_taken_up_where_it_ended(server: Server) -> None:
    server.cut_after = [30_000, 5_000]
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]
    assert server.requests[:3] == [(IMAGE, None), (IMAGE, "bytes=30000-"), (IMAGE, "bytes=35000-")]


def test_the_next_call_goes_on_where_this_one_gave_up(server: Server, cache: Path) -> None:
    server.cut_after = [30_000, 0, 0, 0]
    with pytest.raises(ConnectionError, match=r"connection ended early; 30000 of \d+ bytes of it are kept") as caught:
        fetch(server)
    assert f"put it at '{cache / 'volume.nii.gz'}'" in str(caught.value)
    assert names(cache) == {".volume.nii.gz.part", ".volume.nii.gz.part.txt"}
    server.requests.clear()
    image, _ = fetch(server)
    assert server.requests[0] == (IMAGE, "bytes=30000-")
    assert Path(image).read_bytes() == server.files[IMAGE]


def test_another_version_on_the_server_starts_again(server: Server) -> None:
    server.cut_after = [30_000, 0, 0, 0]
    with pytest.raises(ConnectionError):
        fetch(server)
    server.files[IMAGE] = nifti(np.random.default_rng(1).integers(0, 9, (40, 40, 40)).astype(np.int16))
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]


@pytest.mark.parametrize("lacking", ["ranges", "tags"])
def test_a_server_without_ranges_or_tags_sends_all_of_it_again(server: Server, lacking: str) -> None:
    setattr(server, lacking, False)
    server.cut_after = [30_000]
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]
    asked = [asked for path, asked in server.requests if path == IMAGE]
    assert asked == [None, "bytes=30000-" if lacking == "ranges" else None]


def test_a_cut_that_no_length_tells_is_found_in_the_file(server: Server, cache: Path) -> None:
    server.length = False
    server.cut_after = [30_000]
    with pytest.raises(OSError, match=r"'volume\.nii\.gz' must be a whole gzip file: Compressed file ended"):
        fetch(server)
    assert names(cache) == set()
    assert Path(fetch(server)[0]).read_bytes() == server.files[IMAGE]


def test_a_part_that_lies_is_replaced(server: Server, cache: Path) -> None:
    """The note is right, the bytes are not, as after a power cut."""
    server.cut_after = [30_000, 0, 0, 0]
    with pytest.raises(ConnectionError):
        fetch(server)
    (cache / ".volume.nii.gz.part").write_bytes(bytes(30_000))
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]


def test_a_part_that_only_lacks_its_name(server: Server, cache: Path) -> None:
    """A process that was killed after the last byte; there is no rest to ask for, so it comes again."""
    server.cut_after = [30_000, 0, 0, 0]
    with pytest.raises(ConnectionError):
        fetch(server)
    (cache / ".volume.nii.gz.part").write_bytes(server.files[IMAGE])
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]


@pytest.mark.parametrize("broken", [b"", b"one line", b'http://elsewhere/a\n"tag"', b"\xff\n\n"])
def test_a_broken_note_means_from_the_start(server: Server, cache: Path, broken: bytes) -> None:
    cache.mkdir(parents=True)
    (cache / ".volume.nii.gz.part").write_bytes(b"half")
    (cache / ".volume.nii.gz.part.txt").write_bytes(broken)
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]
    assert server.requests[0] == (IMAGE, None)


def test_checksums(server: Server, cache: Path) -> None:
    right = tuple(hashlib.sha256(server.files[path]).hexdigest() for path in (IMAGE, LABELS))
    wrong = "0" * 64
    with pytest.raises(OSError, match=rf"must have the SHA-256 {wrong}, got {right[1]}; nothing of it was kept"):
        fetch(server, sha256=(right[0].upper(), wrong))
    assert names(cache) == {"volume.nii.gz"}
    _, labels = fetch(server, sha256=right)
    Path(labels).write_bytes(b"changed later")
    fetch(server, sha256=right)
    assert Path(labels).read_bytes() == server.files[LABELS]
    assert [path for path, _ in server.requests] == [IMAGE, LABELS, LABELS, LABELS]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>please log in</html>", "must be a whole gzip file: Not a gzipped file"),
        (b"", "must hold a NIfTI image, got the first bytes b''"),
        (gzip.compress(b"text", mtime=0), "must hold a NIfTI image, got the first bytes b'text'"),
    ],
    ids=["page", "nothing", "text"],
)
def test_something_else_in_place_of_the_file(server: Server, cache: Path, content: bytes, words: str) -> None:
    server.files[IMAGE] = content
    with pytest.raises(OSError, match=words):
        fetch(server)
    assert names(cache) == set()


def test_a_byte_that_changed_on_the_way(server: Server, cache: Path) -> None:
    content = bytearray(server.files[IMAGE])
    content[-6] ^= 1  # in the CRC at the end
    server.files[IMAGE] = bytes(content)
    with pytest.raises(OSError, match="CRC check failed"):
        fetch(server)
    assert names(cache) == set()


def test_a_file_that_is_not_there(server: Server, cache: Path) -> None:
    del server.files[IMAGE]
    with pytest.raises(
        ConnectionError, match=r"volume\.nii\.gz: the server says 404 Not Found; without a network"
    ) as caught:
        fetch(server)
    assert f"put it at '{cache / 'volume.nii.gz'}'" in str(caught.value)
    assert names(cache) == set()


def test_a_busy_server_is_asked_again_and_not_for_ever(server: Server) -> None:
    server.status = [503, 429]
    fetch(server)
    server.status = [500] * 9
    server.requests.clear()
    with pytest.raises(ConnectionError, match="the server says 500"):
        download_deepfluoro(2, url=server.url, progress=False)
    assert len(server.requests) == 3


def test_a_range_that_the_server_does_not_have(server: Server) -> None:
    server.cut_after = [30_000, 0, 0, 0]
    with pytest.raises(ConnectionError):
        fetch(server)
    server.status = [416]
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]


def test_without_a_network_the_place_for_the_file_is_told(cache: Path) -> None:
    with pytest.raises(
        ConnectionError, match=r"Connection refused; without a network, fetch it where there is one"
    ) as caught:
        download_deepfluoro(progress=False)
    assert f"put it at '{cache / 'volume.nii.gz'}'" in str(caught.value)


def test_a_mirror_without_the_file(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"volume\.nii\.gz: No such file or directory; without a network"):
        download_deepfluoro(url=tmp_path.as_uri(), progress=False)
    assert names(cache) == set()


def test_a_server_that_says_nothing(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.bin"
        with pytest.raises(ConnectionError, match="timed out"):
            _download.download(url, cache / "a.bin", progress=False, timeout_s=0.1)


def test_files_put_there_by_hand_need_no_network(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    for path, content in server.files.items():
        (cache / Path(path).name).write_bytes(content)
    assert download_deepfluoro(progress=False)[0] == str(cache / "volume.nii.gz")


def test_a_disk_that_is_full_from_the_start(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    size = len(server.files[IMAGE])
    with pytest.raises(OSError, match=rf"cannot store .*No space left on device for another {size} bytes") as caught:
        fetch(server)
    assert caught.value.errno == errno.ENOSPC
    assert names(cache) == set()


def test_a_disk_that_fills_on_the_way(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_part.os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot store .*No space left on device; nothing of it was kept"):
        fetch(server)
    assert names(cache) == set()


def start(server: Server, program: str = "") -> subprocess.Popen[str]:
    """Another process that fetches subject 1; the packages' own `__init__`, which load torch, are left out."""
    code = f"""
import sys, types
for name, folder in (("deepdrr", {deepdrr.__path__[0]!r}), ("deepdrr.data", {deepdrr.data.__path__[0]!r})):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
{program}
from deepdrr.data.samples._deepfluoro import download_deepfluoro
print(*download_deepfluoro(url={server.url!r}))
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_limit_of_the_system_in_the_middle(server: Server, cache: Path) -> None:
    process = start(server, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))")
    _, errors = process.communicate()
    assert process.returncode != 0
    assert "volume.nii.gz': File too large; nothing of it was kept" in errors
    assert names(cache) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_killed_process_leaves_no_half_file_and_its_part_is_used(server: Server, cache: Path) -> None:
    server.pause_s = 0.02
    process = start(server)
    part = cache / ".volume.nii.gz.part"
    deadline = time.monotonic() + 30.0
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(cache) == {part.name, f"{part.name}.txt"}
    server.pause_s = 0.0
    received = part.stat().st_size
    server.requests.clear()
    image, _ = fetch(server)  # the lock of the dead process does not hold it up
    assert server.requests[0] == (IMAGE, f"bytes={received}-")
    assert Path(image).read_bytes() == server.files[IMAGE]


def test_two_processes_fetch_it_once(server: Server, cache: Path) -> None:
    server.pause_s = 0.003
    processes = [start(server) for _ in range(2)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0].split() == [str(cache / "volume.nii.gz"), str(cache / "mask.nii.gz")]
    assert sorted(server.requests) == [(LABELS, None), (IMAGE, None)]


def test_progress_goes_to_standard_error(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    monkeypatch.setenv("TERM", "xterm")
    download_deepfluoro(url=server.url)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "volume.nii.gz" in captured.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subject_id": 0}, "subject_id must be a whole number from 1 to 6, got 0"),
        ({"subject_id": 7}, "got 7"),
        ({"subject_id": True}, "got True"),
        ({"subject_id": "1"}, "got '1'"),
        ({"url": "ftp://host/data"}, "url must start with https:, http:, file:, got 'ftp://host/data/subject01"),
        ({"sha256": ("abc", "0" * 64)}, "digest must be a SHA-256 of 64 hexadecimal digits, got 'abc'"),
        ({"sha256": "0" * 64}, r"sha256 must be two checksums, of volume\.nii\.gz and mask\.nii\.gz"),
    ],
)
def test_arguments_that_are_none(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        download_deepfluoro(**options)  # type: ignore[arg-type]


def test_a_cache_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEEPDRR_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"cannot make the folder .*; set DEEPDRR_CACHE"):
        download_deepfluoro(progress=False)
