"""X-rays in all their shapes: cine, rotational runs, Enhanced XA; signs, polarities, padding and bits of every kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from torch.testing import assert_close

from deepdrr.io import read_xray

XA, ENHANCED_XA = "1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.1.1"
# Line integrals of 0 to 4: air, soft tissue, bone.
DENSE = np.linspace(0.0, 4.0, 40 * 50).reshape(40, 50)
BEAM = np.rint(4000.0 * np.exp(-DENSE))
# Rounding to whole numbers of at most 4000: half of one in 73, behind the densest part.
ROUNDING = 0.5 / 73


def write(path: Path, stored: Any, sop_class: str = XA, **tags: Any) -> Path:
    """An X-ray of stored numbers [H, W] or [N, H, W] in 12 of 16 bits, linear in the intensity."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    made = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    made.Rows, made.Columns, made.SamplesPerPixel = *stored.shape[-2:], 1
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PhotometricInterpretation, made.PixelIntensityRelationship = "MONOCHROME2", "LIN"
    made.PixelIntensityRelationshipSign = 1
    if stored.ndim == 3:
        made.NumberOfFrames = len(stored)
    for name, value in tags.items():
        setattr(made, name, value)
    made.PixelData = stored.astype(np.int64).astype(np.uint16).tobytes()
    made.save_as(path, enforce_file_format=True)
    return path


def item(**tags: Any) -> Dataset:
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def assert_dense(path: Path, **options: Any) -> None:
    image = read_xray(path, **options).image.numpy()
    np.testing.assert_allclose(image - image[0, 0], DENSE, atol=2 * ROUNDING)


# -- frames ------------------------------------------------------------------------------------------------------------


def test_a_frame_of_a_cine_run(tmp_path: Path) -> None:
    file = write(tmp_path / "cine.dcm", np.stack([BEAM[::-1], BEAM, BEAM[:, ::-1]]))
    assert_dense(file, frame=2)
    assert_dense(file, frame=np.int64(2))
    with pytest.raises(ValueError, match=r"frame must be given for '.*cine\.dcm', which holds 3 frames: 1 to 3"):
        read_xray(file)
    for frame in (4, 0):
        with pytest.raises(ValueError, match="frame must be"):
            read_xray(file, frame=frame)
    assert_dense(write(tmp_path / "one.dcm", BEAM[None]))
    assert_dense(write(tmp_path / "still.dcm", BEAM), frame=1)


def test_frames_of_other_formats(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack([BEAM * 2, BEAM]))
    assert_dense(tmp_path / "a.npy", frame=2)
    pages = [Image.fromarray(plane.astype(np.float32)) for plane in (BEAM[::-1], BEAM)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    assert_dense(tmp_path / "a.tiff", frame=2)
    with pytest.raises(ValueError, match=r"frame must be given for .*a\.tiff', which holds 2 frames"):
        read_xray(tmp_path / "a.tiff")


@pytest.mark.parametrize(
    ("increments", "angles"),
    [
        ([0.0, 1.5, 3.0, 4.5], [10.0, 11.5, 13.0, 14.5]),
        ([0.0, 1.5, 1.5, 1.5], [10.0, 11.5, 13.0, 14.5]),
        ([0.0, -1.5, -1.4, -1.6], [10.0, 8.5, 7.1, 5.5]),
        (1.5, [10.0, 11.5, 13.0, 14.5]),
        ([0.0, 0.0, 0.0, 0.0], [10.0] * 4),
    ],
    ids=["from the first frame", "from frame to frame", "not quite even", "one step", "not moving"],
)
def test_rotational_runs(increments: Any, angles: list[float], tmp_path: Path) -> None:
    tags = {"PositionerPrimaryAngle": 10, "PositionerSecondaryAngle": 5, "PositionerPrimaryAngleIncrement": increments}
    file = write(tmp_path / "run.dcm", np.stack([BEAM] * 4), **tags)
    found = [read_xray(file, frame=n).header.positioner_angles_deg for n in (1, 2, 3, 4)]
    assert_close(torch.tensor(found), torch.tensor([(angle, 5.0) for angle in angles]))


def test_increments_for_another_number_of_frames(tmp_path: Path) -> None:
    tags = {"PositionerPrimaryAngle": 1, "PositionerSecondaryAngle": 0, "PositionerPrimaryAngleIncrement": [0, 1]}
    with pytest.raises(ValueError, match="must hold a number for each of 3 frames, got 2"):
        read_xray(write(tmp_path / "run.dcm", np.stack([BEAM] * 3), **tags), frame=1)


def test_enhanced_xa(tmp_path: Path) -> None:
    shared, frames = Dataset(), []
    shared.FramePixelDataPropertiesSequence = [
        item(ImagerPixelSpacing=[0.3, 0.4], PixelIntensityRelationship="LIN", PixelIntensityRelationshipSign=1)
    ]
    shared.XRayGeometrySequence = [item(DistanceSourceToDetector=1200, DistanceSourceToIsocenter=750)]
    for angle in (10.0, 20.0):
        group = Dataset()
        group.PositionerPositionSequence = [item(PositionerPrimaryAngle=angle, PositionerSecondaryAngle=-5)]
        frames.append(group)
    tags = {"PixelIntensityRelationship": None, "PixelIntensityRelationshipSign": None}
    file = write(
        tmp_path / "enhanced.dcm",
        np.stack([BEAM[::-1], BEAM]),
        ENHANCED_XA,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
        **tags,
    )
    assert_dense(file, frame=2)
    header = read_xray(file, frame=2).header
    assert (header.sdd_mm, header.sid_mm, header.pixel_spacing_mm) == (1200.0, 750.0, (0.3, 0.4))
    assert header.positioner_angles_deg == (20.0, -5.0)


def test_a_magnification_that_the_distances_contradict(tmp_path: Path) -> None:
    tags = {"DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 500}
    read_xray(write(tmp_path / "a.dcm", BEAM, **tags, EstimatedRadiographicMagnificationFactor=2.02))
    with pytest.warns(UserWarning, match="distances, which are taken, magnify 2 times, it states .* of 1.33"):
        read_xray(write(tmp_path / "b.dcm", BEAM, **tags, EstimatedRadiographicMagnificationFactor=1.33))


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        (BEAM, {}),
        (4095 - BEAM, {"PixelIntensityRelationshipSign": -1, "RescaleSlope": -1, "RescaleIntercept": 4095}),
        (BEAM, {"RescaleSlope": 0.5, "RescaleIntercept": 0}),
        (4095 - BEAM, {"PixelIntensityRelationshipSign": -1, "RescaleSlope": -0.5, "RescaleIntercept": 2047.5}),
    ],
    ids=["as it is", "turned round by its slope", "a slope", "a negative slope"],
)
def test_linear_numbers(stored: Any, tags: dict[str, Any], tmp_path: Path) -> None:
    assert_dense(write(tmp_path / "a.dcm", stored, **tags))


@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        (4095 - BEAM, {"PixelIntensityRelationshipSign": -1}),
        (4095 - BEAM, {"PixelIntensityRelationshipSign": -1, "RescaleSlope": 2, "RescaleIntercept": -100}),
        (4095 - BEAM, {"PixelIntensityRelationshipSign": -1, "RescaleSlope": -1, "RescaleIntercept": 0}),
        (BEAM - 2048, {"PixelRepresentation": 1}),
    ],
    ids=["sign -1", "sign -1 and a slope", "negative numbers", "signed numbers"],
)
def test_linear_numbers_whose_zero_is_the_end_of_the_scale(stored: Any, tags: dict[str, Any], tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="does not say which of its values is no beam"):
        assert_dense(write(tmp_path / "a.dcm", stored, **tags))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_picture_is_what_a_viewer_shows(photometric: str, tmp_path: Path) -> None:
    tags = {"PixelIntensityRelationship": "DISP", "PixelIntensityRelationshipSign": None}
    shown = np.rint(DENSE * 1000)  # bone is white
    stored = 4095 - shown if photometric == "MONOCHROME1" else shown
    file = write(tmp_path / "a.dcm", stored, PhotometricInterpretation=photometric, **tags)
    image = read_xray(file, "bone_white").image.numpy()
    np.testing.assert_allclose(image - image[0, 0], shown, atol=1e-3)
    with pytest.raises(ValueError, match=rf"does not say what its values are .*DISP, sign missing, {photometric}"):
        read_xray(file)


def test_the_sign_is_that_of_stored_numbers(tmp_path: Path) -> None:
    tags = {"PixelIntensityRelationship": "LOG", "PhotometricInterpretation": "MONOCHROME1"}
    for sign, stored in ((-1, DENSE * 1000), (1, 4095 - DENSE * 1000)):
        image = read_xray(write(tmp_path / "a.dcm", stored, PixelIntensityRelationshipSign=sign, **tags)).image
        assert image[-1, -1] > image[0, 0]


@pytest.mark.parametrize("value", [0, 4095])
def test_padding_is_neither_open_field_nor_bone(value: int, tmp_path: Path) -> None:
    stored = BEAM.copy()
    stored[:, :5] = value
    xray = read_xray(write(tmp_path / "a.dcm", stored, PixelPaddingValue=value))
    plain = read_xray(write(tmp_path / "b.dcm", np.maximum(BEAM, 1)))
    assert xray.measured is not None
    assert not xray.measured[:, :5].any()
    assert xray.measured[:, 5:].all()
    within = xray.image[:, 5:] - plain.image[:, 5:]
    assert float(within.max() - within.min()) < 1e-5  # one constant: the open field is that of the rest
    assert float(xray.image[:, :5].max()) == float(xray.image[:, 5:].min())
    assert plain.measured is None


def test_bits_elsewhere(tmp_path: Path) -> None:
    assert_dense(write(tmp_path / "a.dcm", BEAM * 16 + 7, HighBit=15))
    assert_dense(write(tmp_path / "b.dcm", BEAM + 4096 * 5))
    assert_dense(write(tmp_path / "c.dcm", np.stack([BEAM[::-1], BEAM]) * 16, HighBit=15), frame=2)
