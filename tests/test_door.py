"""What is no regular file is refused before it is opened; what is long is shown cut."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from deepdrr import Volume
from deepdrr._door import check_file, read_text, shown
from deepdrr.cli._config import read_fields
from deepdrr.data import Subject
from deepdrr.io import read_cameras, read_xray
from deepdrr.spectrum import Spectrum

READERS: dict[str, Callable[[Path], object]] = {
    "Volume.from_file": Volume.from_file,
    "Volume.from_nifti": Volume.from_nifti,
    "Volume.from_nrrd": Volume.from_nrrd,
    "Volume.from_dicom": Volume.from_dicom,
    "Subject.from_filepath": Subject.from_filepath,
    "read_xray": read_xray,
    "read_cameras": lambda path: read_cameras(path, [(1, 1)]),
    "Spectrum.from_csv": Spectrum.from_csv,
    "config": read_fields,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".dcm", ".npy", ".json", ""])
def test_a_pipe_does_not_hang(reader: str, suffix: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with pytest.raises((OSError, ValueError), match=r"pipe"):
        READERS[reader](tmp_path / f"pipe{suffix}")


@pytest.mark.parametrize("reader", READERS)
def test_a_device_is_no_file(reader: str) -> None:
    with pytest.raises(OSError, match="must be a regular file, got the device '/dev/zero'"):
        READERS[reader](Path("/dev/zero"))


def test_other_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="init must name a file, got an empty path"):
        check_file("", "init")
    with pytest.raises(ValueError, match="must name a file, got 'a"):
        check_file("a\0b")
    with pytest.raises(IsADirectoryError, match="config must be a file, got the folder"):
        check_file(tmp_path, "config")
    with pytest.raises(OSError, match="File name too long") as caught:
        check_file("a" * 100_000)
    assert len(str(caught.value)) < 400
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match=r"cannot read .*loop"):
        check_file(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(tmp_path)  # the name of a socket is short
        try:
            listener.bind("s")
            with pytest.raises(OSError, match="got the socket 's'"):
                check_file("s")
        finally:
            os.chdir(here)


def test_texts_have_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 100)
    assert read_text(tmp_path / "a.txt", most_bytes=100) == "a" * 100
    with pytest.raises(ValueError, match="at most 99 bytes, got 100 bytes"):
        read_text(tmp_path / "a.txt", most_bytes=99)


def test_values_are_shown_cut() -> None:
    assert shown("short") == "'short'"
    assert len(shown("a" * 10**6)) == 80
    assert len(shown(list(range(10**4)))) == 80
    assert shown(10**5000) == "an integer of 16610 bits"
    nested: list[object] = []
    for _ in range(10**4):
        nested = [nested]
    assert shown(nested) == "a list"
