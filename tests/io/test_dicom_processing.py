"""The tags that tell a viewer how an image was processed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch

from deepdrr.device import MobileCArm
from deepdrr.display import PRESETS, processed
from deepdrr.io import RadiographMetadata, write_dicom

PLAIN = RadiographMetadata.from_camera(MobileCArm().camera.resized(64, 48), torch.eye(4, dtype=torch.float64), kvp=80.0)
FLUOROSCOPY = PRESETS["fluoroscopy"]
SHOWN = replace(
    PLAIN, processing=FLUOROSCOPY.description, circular_field=True, detector="SCINTILLATOR", grid=True, mas=1.0
)


def written(path: Path, kind: str, how: RadiographMetadata = SHOWN) -> pydicom.Dataset:
    signal = 1e4 * torch.exp(-torch.linspace(0.0, 6.0, 48, dtype=torch.float64)).expand(64, 48)
    picture = processed(signal, FLUOROSCOPY, open_field=1e4)
    write_dicom(picture, path, how, stored="picture", object_class=kind, polarity=FLUOROSCOPY.polarity)  # type: ignore[arg-type]
    return pydicom.dcmread(path)


@pytest.mark.parametrize("kind", ["XA", "DX"])
def test_what_was_done_stands_in_the_file(kind: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.dcm", kind)
    assert f"Processing: {FLUOROSCOPY.description}." in file.DerivationDescription
    assert len(file.DerivationDescription) <= 1024
    assert file.ShutterShape == "CIRCULAR"
    assert (list(file.CenterOfCircularShutter), file.RadiusOfCircularShutter) == ([32, 24], 24)
    assert file.Grid == {"XA": "IN", "DX": "FIXED"}[kind]
    # The picture has nothing but black where the shutter is.
    rows, columns = np.ogrid[1:65, 1:49]
    outside = np.hypot(rows - 32.5, columns - 24.5) > 24
    assert (file.pixel_array[outside] == 0).all()


def test_the_kind_s_own_tags(tmp_path: Path) -> None:
    angiographic, digital = (written(tmp_path / f"{kind}.dcm", kind) for kind in ("XA", "DX"))
    assert angiographic.FieldOfViewShape == "ROUND"
    assert int(angiographic.FieldOfViewDimensions) == round(48 * PLAIN.pixel_spacing_mm[1])
    assert digital.DetectorType == "SCINTILLATOR"


def test_without_processing_nothing_is_said(tmp_path: Path) -> None:
    file = written(tmp_path / "a.dcm", "XA", PLAIN)
    assert "Processing" not in file.DerivationDescription
    assert "ShutterShape" not in file
    assert "Grid" not in file


def test_the_unit_of_a_raw_image(tmp_path: Path) -> None:
    write_dicom(torch.rand(64, 48), tmp_path / "a.dcm", replace(PLAIN, unit="ADU"))
    assert "ADU per pixel" in pydicom.dcmread(tmp_path / "a.dcm").DerivationDescription


def test_words_that_no_tag_can_hold() -> None:
    with pytest.raises(ValueError, match="processing must be at most 400 characters without a backslash"):
        replace(PLAIN, processing="a\\b")
    with pytest.raises(ValueError, match="unit must be at most 16 characters"):
        replace(PLAIN, unit="x" * 17)
    with pytest.raises(ValueError, match="detector must be SCINTILLATOR, DIRECT or None, got 'FILM'"):
        replace(PLAIN, detector="FILM")
