"""`download_deepfluoro` goes on where a connection was cut, if the rest is of the same file."""

from pathlib import Path

import numpy as np
import pytest
from deepfluoro_mirror import IMAGE, Server, fetch, names, nifti

pytestmark = pytest.mark.usefixtures("cache")


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


def test_a_range_that_the_server_does_not_have(server: Server) -> None:
    server.cut_after = [30_000, 0, 0, 0]
    with pytest.raises(ConnectionError):
        fetch(server)
    server.status = [416]
    image, _ = fetch(server)
    assert Path(image).read_bytes() == server.files[IMAGE]
