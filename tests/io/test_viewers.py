"""What a viewer shows of a DICOM file, grey for grey against the picture of the same image.

Most viewers do not apply the Modality LUT of an XA image before its VOI LUT (DCMTK, fo-dicom, cornerstone, dcm4che), so
the stored values must look right with the VOI LUT alone. That rule is applied by hand, and by DCMTK if it is here.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from dicom_checkers import dciodvfy, dcmtk_shows, dicom_validator
from torch import Tensor

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.data import Source
from deepdrr.display import PRESETS, Processing
from deepdrr.io import RadiographMetadata, read_xray, write_dicom
from deepdrr.projector import Radiograph

POLARITIES = ("bone_white", "bone_black")
# The picture rounds to 256 grey values; 12 bits over an attenuation of at most 13.8 are 0.2 of these in a window of 4.
ROUNDING = (0.5 + 0.25) / 255
# A table on a linear scale of 16 bits knows neither the fall-off of the open field toward the corners, 3 % of 4, nor
# steps finer than 1/65535 of the brightest pixel.
OPEN_FIELD = ROUNDING + 0.012


@pytest.fixture(scope="module")
def shot() -> Radiograph:
    """A block of tissue with a bone, and air beside it."""
    hu = torch.full((60, 60, 60), -1000.0)
    hu[10:50, :, 10:50] = 0.0
    hu[22:30, :, 20:40] = 900.0
    body = Volume.from_array(hu, torch.eye(4) * torch.tensor([2.0, 2.0, 2.0, 1.0]), check_hu="off", source=Source())
    carm = MobileCArm(isocenter=tuple(body.center_in_world.tolist()))
    seen = Projector(body, carm=carm.camera.resized(48, 64))
    return seen.project("image", "open_field", generator=torch.Generator().manual_seed(0))


def shown_by_hand(path: Path, voi: str) -> np.ndarray[Any, Any]:
    """Grey values, 0 to 1, of stored values through the VOI LUT (PS3.3 C.11.2) alone."""
    file = pydicom.dcmread(path)
    assert file.PhotometricInterpretation == "MONOCHROME2"
    if voi == "table":
        entries, first, bits = file.VOILUTSequence[0].LUTDescriptor
        assert (entries % 65536, first) == (2**file.BitsStored % 65536, 0)  # every stored value has an entry
        return np.frombuffer(file.VOILUTSequence[0].LUTData, "<u2")[file.pixel_array] / (2.0**bits - 1)
    center, width = float(file.WindowCenter), float(file.WindowWidth)
    return np.clip((file.pixel_array - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


@pytest.mark.parametrize("shows", [shown_by_hand, dcmtk_shows])
@pytest.mark.parametrize("kind", ["XA", "DX"])
@pytest.mark.parametrize("polarity", POLARITIES)
@pytest.mark.parametrize("preset", PRESETS)
class TestEveryPreset:
    def test_as_it_is_saved(self, shot, preset, polarity, kind, shows, tmp_path: Path) -> None:
        steps = replace(PRESETS[preset], polarity=polarity)
        shot.save(tmp_path / "a.dcm", processing=steps, object_class=kind)
        wanted = shot.picture(processing=steps) / 255
        assert wanted.min() == 0.0
        assert wanted.max() == 1.0
        for voi in ("table", "window") if preset == "plain" else ("window",):
            np.testing.assert_allclose(shows(tmp_path / "a.dcm", voi), wanted, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("shows", [shown_by_hand, dcmtk_shows])
@pytest.mark.parametrize("kind", ["XA", "DX"])
@pytest.mark.parametrize("polarity", POLARITIES)
@pytest.mark.parametrize("stored", ["signal", "log_signal", "picture"])
class TestEveryQuantity:
    @pytest.mark.parametrize("tone", [{}, {"window": (0.5, 4.0)}, {"gamma": 0.6, "window": (0.2, 5.0)}])
    def test_as_it_is_asked_for(self, shot, stored, polarity, kind, shows, tone, tmp_path: Path) -> None:
        steps = Processing(polarity=polarity, **tone)
        shot.save(tmp_path / "a.dcm", processing=steps, object_class=kind, stored=stored)
        wanted = shot.picture(processing=steps) / 255
        atol = OPEN_FIELD if stored == "signal" else ROUNDING
        atol *= 1.0 if "gamma" not in tone else 1.6  # the steepest slope of the curve where there are pixels
        straight = stored == "picture" or (stored == "log_signal" and "gamma" not in tone)
        file = pydicom.dcmread(tmp_path / "a.dcm")
        assert ("WindowCenter" in file) == straight
        assert ("VOILUTSequence" in file) == (stored != "picture")
        for voi in [voi for voi, there in (("table", stored != "picture"), ("window", straight)) if there]:
            np.testing.assert_allclose(shows(tmp_path / "a.dcm", voi), wanted, atol=atol, rtol=0)


@pytest.mark.parametrize("kind", ["XA", "DX"])
@pytest.mark.parametrize("polarity", POLARITIES)
@pytest.mark.parametrize("stored", ["signal", "log_signal"])
def test_our_own_reader_finds_the_same_line_integrals(shot, stored, polarity, kind, tmp_path: Path) -> None:
    shot.save(tmp_path / "a.dcm", processing=Processing(polarity=polarity), object_class=kind, stored=stored)
    found = read_xray(tmp_path / "a.dcm").image.double()
    relative = shot["image"].double() if stored == "signal" else shot["image"] / shot["open_field"]
    wanted = -torch.log(relative / relative.max())
    if (stored, kind) == ("log_signal", "DX"):  # a logarithm of unknown scale
        found = found * scale(found, wanted)
    # Half a step of 16 bits at 1/100 of the brightest pixel, and half of one of 12 bits over a range of 5.
    torch.testing.assert_close(found - found.mean(), wanted - wanted.mean(), rtol=0, atol=1.5e-3)


def scale(found: Tensor, wanted: Tensor) -> Tensor:
    """The factor of the straight line through both."""
    return ((found - found.mean()) * (wanted - wanted.mean())).sum() / ((found - found.mean()) ** 2).sum()


@pytest.mark.parametrize("kind", ["XA", "DX"])
@pytest.mark.parametrize("polarity", POLARITIES)
@pytest.mark.parametrize("stored", ["signal", "log_signal", "picture"])
def test_the_files_are_valid(shot, stored, polarity, kind, tmp_path: Path) -> None:
    steps = Processing(polarity=polarity, gamma=0.8)
    shot.save(tmp_path / "a.dcm", processing=steps, object_class=kind, stored=stored, body_part="PELVIS")
    assert dicom_validator(tmp_path / "a.dcm") == []
    assert dciodvfy(tmp_path / "a.dcm") == []


@pytest.mark.parametrize("polarity", POLARITIES)
def test_a_constant_image_is_shown_as_one_grey(polarity: Any, tmp_path: Path) -> None:
    how = RadiographMetadata(
        sdd_mm=1000.0, pixel_spacing_mm=(0.2, 0.2), positioner_angles_deg=(0.0, 0.0), patient_orientation=("L", "F")
    )
    for value in (0.0, 7.0):
        write_dicom(torch.full((4, 4), value), tmp_path / "a.dcm", how, stored="log_signal", polarity=polarity)
        for voi in ("table", "window"):
            assert len(np.unique(shown_by_hand(tmp_path / "a.dcm", voi))) == 1
