"""`download_deepfluoro` from a mirror of our own: whole, wrong, gone. Nothing comes from outside."""

import gzip
import hashlib
import socket
from pathlib import Path

import pytest
from deepfluoro_mirror import IMAGE, LABELS, Server, fetch, names

from deepdrr.data import download_deepfluoro
from deepdrr.data.samples import _download

pytestmark = pytest.mark.usefixtures("cache")


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
