"""Compressed frames are looked at before a decoder sees them."""

from pathlib import Path

import pydicom
import pytest
from dicom_writer import Grid, write_slices
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from deepdrr import Volume


def compressed(folder: Path, syntax: str, change) -> Path:
    """A series of which the first slice has a changed frame."""
    write_slices(folder, Grid(shape=(40, 36, 4)), edit=lambda dataset, k: dataset.compress(syntax))
    file = folder / "slice000.dcm"
    dataset = pydicom.dcmread(file)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([change(frame.rstrip(b"\0"))])
    dataset.save_as(file)
    return folder


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless], ids=["jpeg2000", "jpeg-ls"])
def test_a_frame_that_is_cut_off(syntax: str, tmp_path: Path) -> None:
    pytest.importorskip("openjpeg" if syntax == JPEG2000Lossless else "jpeg_ls")
    with pytest.raises(ValueError, match=r"frame 1 of .*slice000.dcm.* is cut off or damaged"):
        Volume.from_dicom(compressed(tmp_path, syntax, lambda frame: frame[:-10]))


@pytest.mark.parametrize(
    ("syntax", "old", "new"),
    [
        (JPEG2000Lossless, b"\xff\x4f\xff\x51", 8),
        (JPEGLSLossless, b"\xff\xf7", 5),
    ],
    ids=["jpeg2000", "jpeg-ls"],
)
def test_a_frame_of_another_size(syntax: str, old: bytes, new: int, tmp_path: Path) -> None:
    pytest.importorskip("openjpeg" if syntax == JPEG2000Lossless else "jpeg_ls")

    def change(frame: bytes) -> bytes:
        place = frame.index(old) + new
        return frame[:place] + b"\x7f\xff" + frame[place + 2 :]

    with pytest.raises(ValueError, match=r"must have 36 rows and 40 columns, got"):
        Volume.from_dicom(compressed(tmp_path, syntax, change))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless], ids=["jpeg2000", "jpeg-ls"])
def test_a_whole_frame_is_read(syntax: str, tmp_path: Path) -> None:
    pytest.importorskip("openjpeg" if syntax == JPEG2000Lossless else "jpeg_ls")
    assert Volume.from_dicom(compressed(tmp_path, syntax, lambda frame: frame), check_hu="off").shape == (40, 36, 4)
