"""Every kind of file that `write_dicom` writes, opened by two programs that know the DICOM standard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from dicom_checkers import dciodvfy, dicom_validator
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForProcessing

from deepdrr.annotations import ImageAnnotations, write_seg
from deepdrr.device import MobileCArm
from deepdrr.display import PRESETS, processed
from deepdrr.io import RadiographMetadata, write_dicom

CARM = MobileCArm(alpha=30.0, beta=-10.0)
WHOLE_STORY = RadiographMetadata.from_camera(
    CARM.camera.resized(64, 48), torch.eye(4, dtype=torch.float64), isocenter_world=CARM.isocenter, kvp=80.0, mas=2.345
)
LEAST = replace(WHOLE_STORY, kvp=None, mas=None, source_to_isocenter_mm=None)
SAID: dict[str, RadiographMetadata] = {
    "nothing": LEAST,
    "exposure": WHOLE_STORY,
    "pelvis": replace(WHOLE_STORY, body_part="PELVIS"),
    "left hip": replace(WHOLE_STORY, body_part="HIP", laterality="L"),
    "flat panel with a grid": replace(WHOLE_STORY, detector="SCINTILLATOR", grid=True, unit="ADU"),
    "counting without a grid": replace(WHOLE_STORY, detector="DIRECT", grid=False, unit="photons"),
}
SIGNAL = 1e4 * torch.exp(-torch.linspace(0.0, 6.0, 48, dtype=torch.float64)).expand(64, 48)


def conforms(path: Path, how: RadiographMetadata) -> None:
    assert dicom_validator(path) == []
    findings = dciodvfy(path)
    if how.body_part is None:  # then the side is unknown, for which empty is the standard's word
        findings = [line for line in findings if "only permitted to be empty when actually unknown" not in line]
    assert findings == []


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("kind", ["XA", "DX"])
@pytest.mark.parametrize("stored", ["signal", "log_signal"])
def test_raw_images(stored: Any, kind: Any, said: str, tmp_path: Path) -> None:
    write_dicom(SIGNAL, tmp_path / "a.dcm", SAID[said], stored=stored, object_class=kind, open_field=1e4)
    conforms(tmp_path / "a.dcm", SAID[said])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", ["XA", "DX"])
def test_pictures_of_every_preset(kind: Any, dtype: Any, preset: str, tmp_path: Path) -> None:
    steps = PRESETS[preset]
    picture = processed(SIGNAL, steps, open_field=1e4, dtype=dtype)
    how = replace(SAID["left hip"], processing=steps.description, circular_field=steps.circular)
    write_dicom(picture, tmp_path / "a.dcm", how, stored="picture", object_class=kind, polarity=steps.polarity)
    conforms(tmp_path / "a.dcm", how)


def broken(path: Path, kind: Any, **changes: Any) -> Path:
    """A file of ours with attributes changed, or taken out by None."""
    write_dicom(SIGNAL, path, WHOLE_STORY, object_class=kind)
    file = pydicom.dcmread(path)
    for keyword, value in changes.items():
        if value is None:
            delattr(file, keyword)
        else:
            setattr(file, keyword, value)
    file.save_as(path)
    return path


@pytest.mark.parametrize(
    ("kind", "keyword", "value", "finding"),
    [
        ("XA", "RadiationSetting", None, "x-ray-acquisition: TagMissing Radiation Setting"),  # type 1
        ("XA", "PixelIntensityRelationship", "", "x-ray-image: TagEmpty Pixel Intensity Relationship"),  # type 1
        ("XA", "KVP", None, "x-ray-acquisition: TagMissing KVP"),  # type 2
        ("XA", "SliceThickness", "1", "General: TagUnexpected Slice Thickness"),  # of no module of XA
        ("DX", "AcquisitionContextSequence", None, "acquisition-context: TagMissing Acquisition Context Sequence"),
        ("DX", "DetectorType", None, "dx-detector: TagMissing Detector Type"),  # type 2
        ("DX", "ImageLaterality", None, "dx-anatomy-imaged: TagMissing Image Laterality"),  # type 1
    ],
)
def test_a_broken_file_is_found_out(kind: str, keyword: str, value: Any, finding: str, tmp_path: Path) -> None:
    path = broken(tmp_path / "a.dcm", kind, **{keyword: value})
    assert finding in dicom_validator(path)
    assert dciodvfy(path) != []


def test_an_object_of_another_class_is_found_out(tmp_path: Path) -> None:
    as_digital = broken(tmp_path / "a.dcm", "XA", SOPClassUID=DigitalXRayImageStorageForProcessing)
    assert "dx-series: TagMissing Presentation Intent Type" in dicom_validator(as_digital)
    as_ct = broken(tmp_path / "b.dcm", "XA", SOPClassUID=CTImageStorage)
    assert dicom_validator(as_ct) == ["UnknownSOPClassUID"]  # the tables are those of X-ray images
    assert dciodvfy(as_digital) != []
    assert dciodvfy(as_ct) != []


@pytest.mark.parametrize("kind", ["XA", "DX"])
def test_masks_of_an_image(kind: Any, tmp_path: Path) -> None:
    write_dicom(SIGNAL, tmp_path / "a.dcm", WHOLE_STORY, object_class=kind)
    masks = torch.stack([SIGNAL > 1e3, SIGNAL < 2e3]).numpy()
    boxes = np.zeros((2, 4))
    names = ("femur", "tibia")
    notes = ImageAnnotations(height=64, width=48, structures=names, masks=masks, boxes=boxes, amodal_boxes=boxes)
    write_seg(tmp_path / "seg.dcm", notes, tmp_path / "a.dcm")
    # A coding scheme of our own is no defined term.
    assert [line for line in dciodvfy(tmp_path / "seg.dcm") if "99DEEPDRR" not in line] == []
