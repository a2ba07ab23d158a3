"""`write_dicom`: geometry, exposure and pixels of the file, read again by pydicom."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from torch import Tensor

import deepdrr
from deepdrr.camera import Camera
from deepdrr.device import MobileCArm
from deepdrr.display import display
from deepdrr.geometry import rigid, rotation
from deepdrr.io import DicomUids, RadiographMetadata, write_dicom

HEAD_FIRST_SUPINE = torch.eye(4, dtype=torch.float64)
CHOICES = [(stored, kind) for kind in ("XA", "DX") for stored in ("signal", "log_signal", "picture")]


def metadata(alpha: float = 30.0, beta: float = -10.0, **others: Any) -> RadiographMetadata:
    carm = MobileCArm(isocenter=(5.0, 10.0, 20.0), alpha=alpha, beta=beta)
    return RadiographMetadata.from_camera(
        carm.camera, HEAD_FIRST_SUPINE, isocenter_world=carm.isocenter, **{"kvp": 80.0, "mas": 2.345} | others
    )


def signal(size: int = 64) -> Tensor:
    """An open field of 20 000 keV, a body, and some electronic noise below zero."""
    dense = torch.linspace(0.0, 6.0, size, dtype=torch.float64).expand(size + 1, size)
    image = 20_000.0 * torch.exp(-dense)
    image[0, -1] = -60.0
    return image


def written(path: Path, stored: str, kind: str, how: RadiographMetadata | None = None) -> pydicom.Dataset:
    image = display(signal(), open_field=20_000.0) if stored == "picture" else signal()
    write_dicom(image, path, how or metadata(), stored=stored, object_class=kind, open_field=20_000.0)  # type: ignore[arg-type]
    return pydicom.dcmread(path)


def test_the_linear_values_are_the_signal(tmp_path: Path) -> None:
    file = written(tmp_path / "a.dcm", "signal", "XA")
    found = re.search(r"signal of \(v - (\d+)\) x ([\d.]+) keV", file.DerivationDescription)
    assert found is not None
    offset, step = int(found[1]), float(found[2])
    # Half a step of rounding, and half of the last of six digits of the step at 65 535 steps.
    atol = step * (0.5 + 65535 * 5e-6)
    np.testing.assert_allclose((file.pixel_array - float(offset)) * step, signal(), atol=atol, rtol=0)
    assert step < 1.001 * 20_060 / 65534  # all of the 16 bits are used
    assert file.PixelIntensityRelationship == "LIN"


@pytest.mark.parametrize("polarity", ["bone_white", "bone_black"])
@pytest.mark.parametrize("kind", ["XA", "DX"])
def test_the_logarithmic_values_are_the_attenuation(kind: Any, polarity: Any, tmp_path: Path) -> None:
    arguments: Any = {"stored": "log_signal", "object_class": kind, "open_field": 20_000.0, "polarity": polarity}
    write_dicom(signal(), tmp_path / "a.dcm", metadata(), **arguments)
    file = pydicom.dcmread(tmp_path / "a.dcm")
    found = re.search(r"-ln\(I/I0\) of (\S+) \+ v x (-?[\d.]+)\.", file.DerivationDescription)
    assert found is not None
    first, step = float(found[1]), float(found[2])
    assert (step > 0) == (polarity == "bone_white")  # values rise with the grey that is shown
    expected = -np.log(np.maximum(signal().numpy() / 20_000.0, 1e-6))
    # Half a step of rounding, and the digits of the text.
    np.testing.assert_allclose(first + file.pixel_array * step, expected, atol=0.51 * abs(step), rtol=0)
    assert file.PixelIntensityRelationship == "LOG"
    assert file.BitsStored == 12


def test_the_table_of_a_logarithm_leads_back_to_intensity(tmp_path: Path) -> None:
    """PS3.3 A.14.3: with LOG there is a Modality LUT, its output linear in the X-ray intensity; not for display."""
    file = written(tmp_path / "a.dcm", "log_signal", "XA")
    linear = apply_modality_lut(file.pixel_array, file)
    relative = np.maximum(signal().numpy() / 20_000.0, 1e-6)
    # A step of the 12 bits is 13.8 / 4095 = 0.34 % of the intensity; one of the table 1 / 65535.
    np.testing.assert_allclose(linear / 65535.0, relative, rtol=0.002, atol=1 / 65535)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", ["XA", "DX"])
def test_a_picture_keeps_its_values(dtype: Any, kind: Any, tmp_path: Path) -> None:
    picture = display(signal(33)[1:], dtype=dtype)  # an odd number of pixels: padded to an even number of bytes
    write_dicom(picture, tmp_path / "a.dcm", metadata(), stored="picture", object_class=kind)
    file = pydicom.dcmread(tmp_path / "a.dcm")
    np.testing.assert_array_equal(file.pixel_array, picture)
    # Rounding of doubles in pydicom's window.
    np.testing.assert_allclose(apply_voi_lut(file.pixel_array, file), picture, rtol=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (30.0, 10.0), (-45.0, -20.0), (90.0, 0.0)])
def test_the_header_rebuilds_the_camera(alpha: float, beta: float, tmp_path: Path) -> None:
    carm = MobileCArm(isocenter=(5.0, 10.0, 20.0), alpha=alpha, beta=beta)
    how = RadiographMetadata.from_camera(carm.camera, HEAD_FIRST_SUPINE, isocenter_world=carm.isocenter)
    file = written(tmp_path / "a.dcm", "signal", "XA", how)
    rebuilt = Camera.carm(
        sdd_mm=float(file.DistanceSourceToDetector),
        sid_mm=float(file.DistanceSourceToPatient),
        height=carm.camera.height,
        width=carm.camera.width,
        pixel_mm=float(file.ImagerPixelSpacing[0]),
        angles_deg=(float(file.PositionerPrimaryAngle), float(file.PositionerSecondaryAngle), 0.0),
        isocenter=(5.0, 10.0, 20.0),
    )
    # Nine digits in the header: 1e-6 mm of 1 m.
    torch.testing.assert_close(rebuilt.projection_matrix, carm.camera.projection_matrix, rtol=1e-7, atol=1e-4)


def test_the_geometry_s_tags(tmp_path: Path) -> None:
    file = written(tmp_path / "a.dcm", "signal", "XA")
    assert float(file.DistanceSourceToDetector) == 1020.0
    assert float(file.DistanceSourceToPatient) == 530.0
    assert float(file.EstimatedRadiographicMagnificationFactor) == pytest.approx(1020.0 / 530.0)
    assert [float(v) for v in file.ImagerPixelSpacing] == [0.194, 0.194]
    assert float(file.PositionerPrimaryAngle) == 30.0
    assert float(file.PositionerSecondaryAngle) == -10.0
    assert "PixelSpacing" not in file  # that would be a size in the patient, which nobody calibrated


def test_rows_before_columns_in_the_spacing() -> None:
    """PS3.3 10.7.1.3: first the spacing between rows."""
    camera = MobileCArm().camera.resized(512, 256)
    spacing = RadiographMetadata.from_camera(camera, HEAD_FIRST_SUPINE).pixel_spacing_mm
    assert spacing == pytest.approx((0.194 * 3, 0.194 * 6))


def test_angles_are_those_about_the_patient_not_the_room() -> None:
    prone = rigid(rotation((0, 0, 1), 180.0), torch.zeros(3, dtype=torch.float64))
    how = RadiographMetadata.from_camera(MobileCArm(alpha=30.0).camera, prone)
    assert how.positioner_angles_deg == pytest.approx((30.0 - 180.0, 0.0))
    assert how.patient_orientation[0][0] == "R"


@pytest.mark.parametrize(
    ("alpha", "beta", "orientation"),
    [(0, 0, ("L", "F")), (90, 0, ("P", "F")), (30, 0, ("LP", "F")), (0, 30, ("L", "FA")), (4, 0, ("L", "F"))],
)
def test_which_way_the_picture_lies(alpha: float, beta: float, orientation: tuple[str, str]) -> None:
    assert metadata(alpha, beta).patient_orientation == orientation


def test_the_exposure_s_tags(tmp_path: Path) -> None:
    file = written(tmp_path / "a.dcm", "signal", "XA")
    assert float(file.KVP) == 80.0
    assert file.ExposureInuAs == 2345
    assert file.Exposure == 2
    unknown = written(tmp_path / "b.dcm", "signal", "XA", metadata(kvp=None, mas=None))
    assert unknown.KVP is None
    assert unknown.Exposure is None
    assert "ExposureInuAs" not in unknown


@pytest.mark.parametrize(("stored", "kind"), CHOICES)
def test_nothing_but_a_synthetic_patient(stored: str, kind: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.dcm", stored, kind)
    assert str(file.PatientName) == "DEEPDRR^SIMULATED"
    assert file.PatientID == "DEEPDRR-SIMULATED"
    empty = ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")
    assert not any(getattr(file, name) for name in empty)
    assert file.ImageType[:2] == ["DERIVED", "PRIMARY"]
    assert f"Simulated by deepdrr {deepdrr.__version__}" in file.DerivationDescription
    assert file.SoftwareVersions == f"deepdrr {deepdrr.__version__}"


@pytest.mark.parametrize(
    ("stored", "kind", "name", "relationship", "sign"),
    [
        ("signal", "XA", "X-Ray Angiographic Image Storage", "LIN", None),
        ("picture", "XA", "X-Ray Angiographic Image Storage", "DISP", None),
        ("signal", "DX", "Digital X-Ray Image Storage - For Presentation", "LIN", 1),
        ("log_signal", "DX", "Digital X-Ray Image Storage - For Presentation", "LOG", -1),
        ("picture", "DX", "Digital X-Ray Image Storage - For Presentation", "LOG", -1),
    ],
)
def test_what_the_values_are_said_to_be(
    stored: str, kind: str, name: str, relationship: str, sign: int | None, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.dcm", stored, kind)
    assert file.SOPClassUID.name == name
    assert file.Modality == kind
    assert file.PixelIntensityRelationship == relationship
    assert file.get("PixelIntensityRelationshipSign") == sign  # an attribute of DX only
    assert file.PhotometricInterpretation == "MONOCHROME2"


def test_a_black_bone_turns_the_sign(tmp_path: Path) -> None:
    picture = display(signal(), polarity="bone_black")
    arguments: Any = {"stored": "picture", "object_class": "DX", "polarity": "bone_black"}
    write_dicom(picture, tmp_path / "a.dcm", metadata(), **arguments)
    assert pydicom.dcmread(tmp_path / "a.dcm").PixelIntensityRelationshipSign == 1


@pytest.mark.parametrize(("stored", "kind"), CHOICES)
def test_required_attributes_of_both_objects(stored: str, kind: str, tmp_path: Path) -> None:
    """Types 1 and 2 of PS3.3 A.14 (XA) and A.26 (DX): types 1 with a value."""
    file = written(tmp_path / "a.dcm", stored, kind)
    with_value = "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality ImageType SamplesPerPixel "
    with_value += "PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelData "
    with_value += "PixelIntensityRelationship "
    present = "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime StudyID AccessionNumber "
    present += "ReferringPhysicianName SeriesNumber InstanceNumber Manufacturer KVP PositionerPrimaryAngle "
    if kind == "XA":
        with_value += "RadiationSetting"
        present += "PositionerSecondaryAngle"
    else:
        with_value += "PresentationIntentType ImageLaterality RescaleSlope RescaleType PresentationLUTShape "
        with_value += "LossyImageCompression PatientOrientation BurnedInAnnotation ImagerPixelSpacing"
        present += "AnatomicRegionSequence AcquisitionContextSequence DetectorType PositionerType RescaleIntercept"
    assert [name for name in with_value.split() if file.get(name) in (None, "", [])] == []
    assert [name for name in present.split() if name not in file] == []


def test_identifiers_are_new_each_time_unless_given(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name, "signal", "XA") for name in ("a.dcm", "b.dcm"))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.StudyInstanceUID != second.StudyInstanceUID
    uids = DicomUids.new(seed="pelvis AP")
    assert uids == DicomUids.new(seed="pelvis AP")
    assert uids != DicomUids.new(seed="pelvis lateral")
    assert all(pydicom.uid.UID(uid).is_valid for uid in (uids.study, uids.series, uids.instance))
    for name in ("c.dcm", "d.dcm"):
        write_dicom(signal(), tmp_path / name, metadata(), uids=uids)
    assert (tmp_path / "c.dcm").read_bytes() == (tmp_path / "d.dcm").read_bytes()


@pytest.mark.parametrize("value", [0.0, 7.0, -2.0, 1e-20, 1e12])
@pytest.mark.parametrize("stored", ["signal", "log_signal"])
def test_a_constant_image(value: float, stored: Any, tmp_path: Path) -> None:
    write_dicom(torch.full((4, 4), value), tmp_path / "a.dcm", metadata(), stored=stored)
    assert len(np.unique(pydicom.dcmread(tmp_path / "a.dcm").pixel_array)) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"stored": "photo"}, "stored must be one of signal, log_signal, picture, got 'photo'"),
        ({"object_class": "CR"}, "object_class must be one of XA, DX, got 'CR'"),
        ({"stored": "picture"}, r"uint8 or uint16 to be a picture, got float64; deepdrr\.display makes one"),
        ({"polarity": "grey"}, "polarity must be one of bone_white, bone_black, got 'grey'"),
    ],
)
def test_choices_that_cannot_be(arguments: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        write_dicom(signal(), tmp_path / "a.dcm", metadata(), **arguments)
    assert not list(tmp_path.iterdir())


def test_an_image_must_be_finite(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image must be finite, got 1 pixels"):
        write_dicom(torch.tensor([[1.0, math.nan]]), tmp_path / "a.dcm", metadata())


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("sdd_mm", 0.0, r"sdd_mm must be positive and finite, got 0\.0"),
        ("kvp", math.nan, "kvp must be positive and finite, got nan"),
        ("mas", -1.0, r"mas must be positive and finite, got -1\.0"),
        ("pixel_spacing_mm", (0.2, -0.2), r"pixel_spacing_mm must be positive and finite, got -0\.2"),
        ("positioner_angles_deg", (200.0, 0.0), "positioner_angles_deg must be within ±180 and ±90 degrees"),
        ("body_part", "Bones", "body_part must be one of ABDOMEN, .*, got 'Bones'"),
        ("laterality", "L", "laterality must be None for body_part None, got 'L'"),
        ("body_part", "HIP", "laterality must be L or R for body_part HIP, got None"),
        ("description", "a\\b", "description must be at most 64 characters without a backslash"),
    ],
)
def test_metadata_that_cannot_be(field: str, value: Any, sentence: str) -> None:
    good = {"sdd_mm": 1000.0, "pixel_spacing_mm": (0.2, 0.2), "positioner_angles_deg": (0.0, 0.0)}
    with pytest.raises(ValueError, match=sentence):
        RadiographMetadata(**{"patient_orientation": ("L", "F"), **good, field: value})


def test_a_header_is_about_one_camera_with_a_source() -> None:
    camera = MobileCArm().camera
    with pytest.raises(ValueError, match=r"one camera with a point source, got a batched \(2,\) one"):
        RadiographMetadata.from_camera(Camera.stack([camera, camera]), HEAD_FIRST_SUPINE)
    with pytest.raises(ValueError, match="isocenter_world must be in front of the source, got a depth of -"):
        RadiographMetadata.from_camera(camera, HEAD_FIRST_SUPINE, isocenter_world=(0.0, -900.0, 0.0))
