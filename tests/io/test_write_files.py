"""PNG, TIFF and NPY files, read again, and refusals."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deepdrr.io import RadiographMetadata, write_dicom, write_image, write_npy, write_png, write_tiff

METADATA = RadiographMetadata(
    sdd_mm=1020.0, pixel_spacing_mm=(0.2, 0.2), positioner_angles_deg=(0.0, 0.0), patient_orientation=("L", "F")
)
SIGNAL = torch.linspace(-3.0, 5000.0, 35, dtype=torch.float32).reshape(5, 7)
WRITERS: dict[str, Callable[[Path], None]] = {
    "a.png": lambda path: write_png(np.zeros((5, 7), dtype=np.uint8), path),
    "a.tiff": lambda path: write_tiff(SIGNAL, path),
    "a.npy": lambda path: write_npy(SIGNAL, path),
    "a.dcm": lambda path: write_dicom(SIGNAL, path, METADATA),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_keeps_every_value(dtype: Any, tmp_path: Path) -> None:
    top = np.iinfo(dtype).max
    picture = np.linspace(0, top, 600).reshape(20, 30).astype(dtype)
    write_png(torch.from_numpy(picture), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as file:
        read = np.asarray(file)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, picture)


def test_a_transposed_picture_is_written_as_seen(tmp_path: Path) -> None:
    picture = np.arange(6, dtype=np.uint16).reshape(2, 3).T
    write_png(picture, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as file:
        np.testing.assert_array_equal(np.asarray(file), picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_keeps_every_value(dtype: Any, tmp_path: Path) -> None:
    image = (np.random.default_rng(0).random((20, 30)) * 200).astype(dtype)
    write_tiff(image, tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as file:
        read = np.asarray(file)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


def test_a_tiff_rounds_doubles_to_float32(tmp_path: Path) -> None:
    image = torch.tensor([[0.1, -2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    write_tiff(image, tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(np.asarray(file), image.detach().float().numpy())


def test_an_npy_keeps_shape_and_type(tmp_path: Path) -> None:
    stack = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    write_npy(stack, tmp_path / "stack.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "stack.npy"), stack.numpy())


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".npy", ".dcm", ".PNG"])
def test_the_suffix_chooses_the_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(np.zeros((4, 4), dtype=np.uint8), path, metadata=METADATA)
    start = {".png": b"\x89PNG", ".tif": b"II*\0", ".tiff": b"II*\0", ".npy": b"\x93NUM", ".dcm": bytes(4)}
    assert path.read_bytes()[:4] == start[suffix.lower()]


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.nii.gz"])
def test_an_unknown_suffix_is_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path must end in \.png, \.tif, \.tiff, \.npy, \.dcm, got '.*'"):
        write_image(np.zeros((4, 4), dtype=np.uint8), tmp_path / name)


def test_dicom_needs_to_know_how_the_image_was_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"metadata is needed for a DICOM file.*a\.dcm"):
        write_image(SIGNAL, tmp_path / "a.dcm")


def test_raw_values_are_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"uint8 or uint16 to be a PNG, got float32; deepdrr\.display makes one"):
        write_png(SIGNAL, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_png, write_tiff])
def test_one_plane_with_pixels(write: Callable[..., None], tmp_path: Path) -> None:
    for shape in ((3, 4, 4), (4,), (0, 4)):
        with pytest.raises(ValueError, match=r"image must be one plane \[H, W\]"):
            write(np.zeros(shape, dtype=np.uint8), tmp_path / "a.png")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_must_be_finite(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image must be finite, got 1 pixels"):
        write_tiff(np.array([[1.0, value]]), tmp_path / "a.tif")


def test_values_that_float32_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must fit in float32 to be a TIFF, got a value of size 1e\+60"):
        write_tiff(np.array([[1.0, -1e60]]), tmp_path / "a.tif")


def test_values_must_be_numbers(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="image must hold real numbers, got complex128"):
        write_tiff(np.array([[1j]]), tmp_path / "a.tif")
    with pytest.raises(TypeError, match="image must hold numbers, got object"):
        write_npy(np.array([None]), tmp_path / "a.npy")


@pytest.mark.parametrize("name", WRITERS)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=rf"cannot write '.*{name}': No space left on device"):
        WRITERS[name](path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import resource, sys, numpy as np\n"
        "from deepdrr.io import RadiographMetadata, write_image\n"
        "metadata = RadiographMetadata(sdd_mm=1000, pixel_spacing_mm=(1, 1), positioner_angles_deg=(0, 0),\n"
        "    patient_orientation=('L', 'F'))\n"
        "image = np.random.default_rng(0).integers(0, 65536, (200, 200)).astype('uint16')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        write_image(image, path, metadata=metadata)\n"
        "    except OSError as error:\n"
        "        print(error)\n"
    )
    paths = [str(tmp_path / name) for name in ("a.png", "a.tiff", "a.npy", "a.dcm")]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    for path, sentence in zip(paths, done.stdout.splitlines(), strict=True):
        assert f"'{path}': " in sentence
        assert "nothing was left behind" in sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder '.*missing' does not exist"):
        WRITERS[name](tmp_path / "missing" / name)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write to")
@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_takes_no_files(name: str) -> None:
    with pytest.raises(OSError, match=f"cannot write '/proc/self/{name}': "):
        WRITERS[name](Path("/proc/self") / name)
