"""Anything but one complete CT scan is refused in one sentence that names the file or the numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_writer import Edit, Grid, write_enhanced, write_slices
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import Decoder
from pydicom.sequence import Sequence
from pydicom.uid import MPEG2MPML, RLELossless

from deepdrr.data.dicom._read import read_dicom


def only(n: int | None, **tags: Any) -> Edit:
    """Sets tags of slice n (of all for None); None as a value removes the tag."""

    def edit(dataset: FileDataset, number: int) -> None:
        if n is not None and number != n:
            return
        for keyword, value in tags.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return edit


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_dicom(path, **options)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a traceback from inside a library"
    assert "\n" not in str(caught.value)
    return str(caught.value)


NOT_A_CT = {
    "a localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "a secondary capture": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    "modality MR": {"Modality": "MR"},
    "modality PT": {"Modality": "PT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"},
    "no CT image but RT Structure Set Storage": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3"},
    "a colour picture (RGB)": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
    "a colour picture (PALETTE COLOR)": {"PhotometricInterpretation": "PALETTE COLOR"},
    "not in Hounsfield units but MIP": {"ImageType": ["DERIVED", "SECONDARY", "MIP"]},
}


@pytest.mark.parametrize("what", NOT_A_CT)
def test_not_a_ct(tmp_path: Path, what: str) -> None:
    assert f"must hold CT slices, found 4 × {what}" in refusal(
        write_slices(tmp_path, edit=only(None, **NOT_A_CT[what]))
    )


BAD_TAGS = {
    "has no RescaleSlope and RescaleIntercept": {"RescaleSlope": None, "RescaleIntercept": None},
    "RescaleSlope of 'PATH' must not be 0": {"RescaleSlope": 0},
    "RescaleType of 'PATH' must be HU (or absent), got MGML": {"RescaleType": "MGML"},
    "'PATH' has no ImagePositionPatient": {"ImagePositionPatient": None},
    "'PATH' has no ImageOrientationPatient": {"ImageOrientationPatient": None},
    "ImageOrientationPatient of 'PATH' must be two perpendicular unit vectors, got 1\\0\\0\\0.6\\0.8\\0": {
        "ImageOrientationPatient": [1, 0, 0, 0.6, 0.8, 0]
    },
    "'PATH' has no PixelSpacing": {"PixelSpacing": None},
    "PixelSpacing of 'PATH' must be 2 finite numbers, got 0.7": {"PixelSpacing": 0.7},
    "PixelSpacing of 'PATH' must be two lengths above 0 mm, got 0\\1": {"PixelSpacing": [0, 1]},
    "'PATH' has no SeriesInstanceUID": {"SeriesInstanceUID": None},
    "'PATH' is a CT image without Rows or Columns": {"Rows": None},
}


@pytest.mark.parametrize("sentence", BAD_TAGS)
def test_bad_tags(tmp_path: Path, sentence: str) -> None:
    folder = write_slices(tmp_path, edit=only(2, **BAD_TAGS[sentence]))
    assert sentence.replace("PATH", str(folder / "slice002.dcm")) in refusal(folder)


@pytest.mark.parametrize("written", [b"1o2.5", b"  nan", b"  inf"])
def test_a_number_that_is_none(tmp_path: Path, written: bytes) -> None:
    folder = write_slices(tmp_path)
    file = folder / "slice001.dcm"
    file.write_bytes(file.read_bytes().replace(b"102.5", written))
    sentence = refusal(folder)
    assert f"ImagePositionPatient of '{file}'" in sentence
    assert written.decode().strip() in sentence


def test_a_word_size_of_no_kind(tmp_path: Path) -> None:
    """The tag's VR is none that DICOM has: pydicom tells when the value is looked at, and then in its own words."""
    folder = write_slices(tmp_path)
    file = sorted(folder.rglob("*.dcm"))[1]
    whole = file.read_bytes()
    assert whole.count(b"\x28\x00\x01\x01US") == 1
    file.write_bytes(whole.replace(b"\x28\x00\x01\x01US", b"\x28\x00\x01\x01WS"))
    assert refusal(folder) == f"'{file}' is a damaged DICOM file: its header cannot be read"


def test_a_frame_without_position(tmp_path: Path) -> None:
    def edit(dataset: FileDataset, n: int) -> None:
        del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence

    assert "frame 2 of" in refusal(write_enhanced(tmp_path / "ct.dcm", edit=edit))


def test_frames_without_description(tmp_path: Path) -> None:
    def edit(dataset: FileDataset, n: int) -> None:
        dataset.PerFrameFunctionalGroupsSequence = Sequence()

    assert "states 4 frames but describes the position of 0" in refusal(write_enhanced(tmp_path / "c.dcm", edit=edit))


def test_frames_that_are_a_perfusion_map(tmp_path: Path) -> None:
    def edit(dataset: FileDataset, n: int) -> None:
        item = pydicom.Dataset()
        item.FrameType = ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]
        dataset.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence = Sequence([item])

    assert "frame 1 of" in (sentence := refusal(write_enhanced(tmp_path / "ct.dcm", edit=edit)))
    assert "FrameType PERFUSION" in sentence


class TestStack:
    def test_a_single_slice(self, tmp_path: Path) -> None:
        assert "must hold two slices or more to make a volume, got one" in refusal(write_slices(tmp_path, places=[0]))

    def test_real_single_slice(self) -> None:
        assert "two slices or more" in refusal(Path(str(get_testdata_file("CT_small.dcm"))))

    def test_missing_slices(self, tmp_path: Path) -> None:
        folder = write_slices(tmp_path, places=[0, 1, 2, 5, 6, 7])
        sentence = refusal(folder)
        assert "2 of 8 slices are missing, most after" in sentence
        assert "slice002.dcm': the next is 7.5 mm away where the step is 2.5 mm; repair='resample' deals" in sentence
        assert refusal(folder, repair="shear") == sentence

    def test_a_gap_that_nothing_fills(self, tmp_path: Path) -> None:
        folder = write_slices(tmp_path, places=[0, 1, 2, 12, 13])
        assert "the next is 25 mm away where the step is 2.5 mm; no repair deals" in refusal(folder, repair="resample")

    def test_uneven_spacing(self, tmp_path: Path) -> None:
        sentence = refusal(write_slices(tmp_path, places=[0, 1, 2, 3.5, 5]))
        assert "unevenly spaced, from 2.5 to 3.75 mm (widest after" in sentence

    def test_rounded_positions_are_even(self, tmp_path: Path) -> None:
        """A step of 1.25 mm written with one decimal: 0, 1.2, 2.5, 3.8 …"""
        places = np.round(np.arange(40) * 1.25, 1) / 2.5
        assert read_dicom(write_slices(tmp_path, places=places.tolist())).hu.shape[2] == 40

    def test_tilted_gantry_by_geometry_and_not_by_the_tag(self, tmp_path: Path) -> None:
        tilt = 2.5 * np.tan(np.radians(15.0))
        tilted = Grid(step=(0.0, float(tilt), 2.5))
        folder = write_slices(tmp_path / "a", tilted, edit=only(None, GantryDetectorTilt=0))
        assert "tilted: slices are shifted by 15.00° against their normal; repair='shear' or" in refusal(folder)
        upright = write_slices(tmp_path / "b", edit=only(None, GantryDetectorTilt=15))
        assert read_dicom(upright).hu.shape[2] == 4

    def test_a_slice_beside_the_others(self, tmp_path: Path) -> None:
        folder = write_slices(tmp_path, edit=only(1, ImagePositionPatient=[-38.5, 25, 102.5]))
        assert "slice001.dcm' lies 1.5 mm beside the line of slices; repair='resample'" in refusal(folder)

    @pytest.mark.parametrize(
        ("what", "tags"),
        [
            ("2 sizes: 3 × 6×5, 1 × 5×6", {"Rows": 6, "Columns": 5}),
            ("2 pixel spacings: 3 × 0.75×1.25 mm, 1 × 1×1 mm", {"PixelSpacing": [1, 1]}),
            (r"2 orientations: 3 × 1\0\0\0\1\0, 1 × 1\0\0\0\0\-1", {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}),
            ("2 frames of reference: 3 slices, 1 slices", {"FrameOfReferenceUID": "1.2.9"}),
        ],
    )
    def test_mixed(self, tmp_path: Path, what: str, tags: dict[str, Any]) -> None:
        sentence = refusal(write_slices(tmp_path, edit=only(2, **tags)))
        assert f"must all be alike, got {what}" in sentence
        assert "1.2.9" not in sentence


class TestSlicesAtOnePlace:
    def test_copies_and_nothing_else(self, tmp_path: Path) -> None:
        sentence = refusal(write_slices(tmp_path, places=[1, 1]))
        assert "2 of 2 slices at places that are taken" in sentence
        assert "slice001.dcm', which are copies of each other" in sentence

    def test_time_points(self, tmp_path: Path) -> None:
        def edit(dataset: FileDataset, n: int) -> None:
            dataset.TemporalPositionIdentifier = 1 + n // 3
            dataset.RescaleIntercept += n

        sentence = refusal(write_slices(tmp_path, places=[0, 1, 2, 0, 1, 2], edit=edit))
        assert (
            "different pictures, so these are several scans (1 acquisition numbers, 2 temporal positions)" in sentence
        )

    def test_frames(self, tmp_path: Path) -> None:
        different = write_enhanced(tmp_path / "ct.dcm", places=[0, 1, 2, 1])
        dataset = pydicom.dcmread(different)
        dataset.PixelData = dataset.PixelData[:-2] + b"\0\0"
        dataset.save_as(different)
        sentence = refusal(different)
        assert "frame 2 of" in sentence
        assert "frame 4 of" in sentence

    def test_acquisitions_between_each_other(self, tmp_path: Path) -> None:
        """Two scans of 5 mm, half a step apart, would pass for one of 2.5 mm."""

        def edit(dataset: FileDataset, n: int) -> None:
            dataset.AcquisitionNumber = 1 + n % 2

        assert "mixes 2 acquisitions whose slices lie between each other (numbers 1, 2)" in refusal(
            write_slices(tmp_path, edit=edit)
        )

    def test_acquisitions_one_after_the_other_are_one_scan(self, tmp_path: Path) -> None:
        """Step and shoot: each turn of the tube has its number."""

        def edit(dataset: FileDataset, n: int) -> None:
            dataset.AcquisitionNumber = 1 + n // 2

        assert read_dicom(write_slices(tmp_path, edit=edit)).hu.shape[2] == 4


class TestFiles:
    def test_truncated_pixels(self, tmp_path: Path) -> None:
        folder = write_slices(tmp_path)
        file = folder / "slice001.dcm"
        file.write_bytes(file.read_bytes()[:-20])
        assert f"the pixels of '{file}' (Explicit VR Little Endian) cannot be decoded" in refusal(folder)

    @pytest.mark.parametrize("kept", range(132, 860, 26))
    def test_truncated_header(self, tmp_path: Path, kept: int) -> None:
        """Wherever the last slice is cut off, it is never just left out."""
        folder = write_slices(tmp_path)
        file = folder / "slice003.dcm"
        file.write_bytes(file.read_bytes()[:kept])
        assert "slice" in refusal(folder)

    def test_one_slice_of_another_kind(self, tmp_path: Path) -> None:
        sentence = refusal(write_slices(tmp_path, edit=only(3, PhotometricInterpretation="PALETTE COLOR")))
        assert "must hold CT slices only, but" in sentence
        assert "slice003.dcm' is a colour picture (PALETTE COLOR)" in sentence

    def test_no_pixels(self, tmp_path: Path) -> None:
        folder = write_slices(tmp_path, edit=only(1, PixelData=None))
        assert "slice001.dcm' (Explicit VR Little Endian) cannot be decoded" in refusal(folder)

    def test_damaged_compression(self, tmp_path: Path) -> None:
        def edit(dataset: FileDataset, n: int) -> None:
            dataset.compress(RLELossless)
            dataset.PixelData = dataset.PixelData[:40] + b"\xff" * (len(dataset.PixelData) - 40)

        assert "(RLE Lossless) cannot be decoded" in refusal(write_slices(tmp_path, edit=edit))

    def test_a_file_with_the_name_of_a_slice_only(self, tmp_path: Path) -> None:
        (write_slices(tmp_path) / "slice004.dcm").write_bytes(b"")
        assert "slice004.dcm' is named like a DICOM file but is none (0 bytes)" in refusal(tmp_path)

    def test_a_missing_decoder_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = write_slices(tmp_path, edit=lambda dataset, n: dataset.compress(RLELossless))
        monkeypatch.setattr(Decoder, "is_available", property(lambda decoder: RLELossless != decoder.UID))
        sentence = refusal(folder)
        assert "compressed as RLE Lossless (1.2.840.10008.1.2.5), for which no decoder is installed" in sentence
        assert "pylibjpeg" in sentence
        assert "pip install 'deepdrr[dicom]'" in sentence

    def test_a_film_is_no_ct(self, tmp_path: Path) -> None:
        def edit(dataset: FileDataset, n: int) -> None:
            dataset.compress(RLELossless)
            dataset.file_meta.TransferSyntaxUID = MPEG2MPML

        assert "which is not a transfer syntax of CT images" in refusal(write_slices(tmp_path, edit=edit))


def test_an_unknown_repair(tmp_path: Path) -> None:
    assert refusal(tmp_path, repair="fix") == "repair must be one of 'resample', 'shear', got 'fix'"


@pytest.mark.parametrize("columns", [6, 600])
def test_pixels_that_go_on_behind_the_stated_rows(tmp_path: Path, columns: int) -> None:
    """pydicom reads the rows that are stated and leaves the rest: half a patient, without a word."""
    folder = write_slices(tmp_path, Grid((columns, 5, 4)), edit=only(None, Rows=4))
    sentence = f"4 rows of {2 * columns} bytes are stated, but there are {10 * columns} bytes"
    assert sentence in refusal(folder)
