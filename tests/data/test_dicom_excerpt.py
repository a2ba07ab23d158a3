"""What is cut out of a header before pydicom parses it says the same as the whole."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writer import Grid, write_slices
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from deepdrr.data.dicom._excerpt import Excerpt
from deepdrr.data.dicom._read import read_dicom

KEYWORDS = ["Modality", "ImagePositionPatient", "Rows", "SeriesDescription"]


def excerpt(file: Path) -> tuple[Dataset, bytes, int] | None:
    """The excerpt, what is alike, and where the stream is left."""
    with file.open("rb") as stream:
        found = Excerpt(KEYWORDS).of(stream)
        return None if found is None else (pydicom.dcmread(found[0]), found[1], stream.tell())


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
def test_an_excerpt_has_the_elements_and_the_place_of_the_pixels(syntax: str, tmp_path: Path) -> None:
    def edit(dataset: FileDataset, n: int) -> None:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.SpecificCharacterSet, dataset.SeriesDescription = "ISO_IR 192", "Becken ü"
        dataset.add_new(0x00191001, "OB", bytes(1000))

    files = sorted(write_slices(tmp_path, edit=edit).iterdir())
    found = [excerpt(file) for file in files]
    for file, part in zip(files, found, strict=True):
        assert part is not None
        whole = pydicom.dcmread(file)
        assert {element.keyword for element in part[0]} == {*KEYWORDS, "SpecificCharacterSet"}
        assert all(part[0][keyword].value == whole[keyword].value for keyword in KEYWORDS)
        assert file.read_bytes()[part[2] : part[2] + 4] == b"\xe0\x7f\x10\x00"
    assert len({part[1] for part in found if part is not None}) == 1  # but for their positions they are alike


@pytest.mark.parametrize("kind", ["undefined length", "long header", "big endian", "no pixels", "cut off"])
def test_what_is_not_plain_is_left_to_pydicom(kind: str, tmp_path: Path) -> None:
    def edit(dataset: FileDataset, n: int) -> None:
        if kind == "undefined length":
            dataset.ReferencedImageSequence = Sequence([Dataset()])
            dataset["ReferencedImageSequence"].is_undefined_length = True
        elif kind == "long header":
            dataset.add_new(0x00191001, "OB", bytes(2**16))
        elif kind == "big endian":
            dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        elif kind == "no pixels":
            del dataset.PixelData

    file = write_slices(tmp_path, edit=edit) / "slice000.dcm"
    if kind == "cut off":
        file.write_bytes(file.read_bytes()[:400])
    assert excerpt(file) is None


def test_each_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_slices(tmp_path, Grid(shape=(6, 5, 20)))
    parsed = []
    dcmread = pydicom.dcmread
    monkeypatch.setattr(
        pydicom, "dcmread", lambda *words, **options: parsed.append(words) or dcmread(*words, **options)
    )
    scan = read_dicom(tmp_path)
    assert len(parsed) == 20
    assert np.allclose(
        scan.hu, Grid(shape=(6, 5, 20)).phantom(), rtol=0, atol=0.126
    )  # half a step of the stored numbers


def test_slices_that_differ_in_more_than_their_position(tmp_path: Path) -> None:
    """What is alike is looked up once; the rescale slope of a slice is not."""
    write_slices(tmp_path, Grid(shape=(6, 5, 8)), rescale=lambda k: (0.25 + 0.05 * (k % 3), -1024.0))
    assert np.allclose(read_dicom(tmp_path).hu, Grid(shape=(6, 5, 8)).phantom(), rtol=0, atol=0.18)


def test_folders_have_a_depth(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    with pytest.raises(ValueError, match="must hold folders at most 64 deep, got deeper ones"):
        read_dicom(tmp_path)
