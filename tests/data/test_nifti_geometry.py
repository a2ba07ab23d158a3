"""A NIfTI header says three times where its voxels lie; where the three contradict each other, one wins loudly."""

import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from volume_phantoms import GRIDS, ramp, write_nifti

from deepdrr import Volume

SFORM_CODE, QFORM_CODE, SROW, PIXDIM, QUATERN = 254, 252, 280, 76, 256


def edit(path: Path, offset: int, *values: float, kind: str = "<f4") -> Path:
    content = bytearray(path.read_bytes())
    new = np.array(values, dtype=kind).tobytes()
    content[offset : offset + len(new)] = new
    path.write_bytes(content)
    return path


def sform(path: Path, affine: Any, code: int = 1) -> Path:
    edit(path, SFORM_CODE, code, kind="<i2")
    return edit(path, SROW, *np.asarray(affine)[:3].ravel())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Voxels of 2 mm, said by sform, qform and pixdim alike."""
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, QFORM_CODE, 1, kind="<i2")
    return edit(path, SFORM_CODE, 1, kind="<i2")


@pytest.mark.parametrize("name", GRIDS)
def test_header_that_agrees_with_itself(name: str, tmp_path: Path) -> None:
    path = tmp_path / "ct.nii"
    image: Any = nibabel.Nifti1Image(ramp(), GRIDS[name].numpy())
    image.set_qform(GRIDS[name].numpy(), 1)
    nibabel.save(image, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [Volume.from_nifti(path, use=use) for use in (None, "sform", "qform", "pixdim")]
    for volume in found:
        # Headers hold float32, whose rounding is 4e-6 mm at 60 mm; the quaternion adds 1e-6 rad at 15 mm.
        torch.testing.assert_close(volume.anatomical_from_ijk, GRIDS[name], rtol=0.0, atol=5e-5)


@pytest.mark.parametrize(
    ("affine", "code", "said"),
    [
        (np.eye(4), 1, "says voxels of 1×1×1 mm, its pixdim 2×2×2 mm and its qform puts a corner"),
        (np.diag([2.3, 2.3, 2.3, 1.0]), 4, r"2\.3×2\.3×2\.3 mm, its pixdim 2×2×2 mm"),
        (np.diag([-2.0, 2.0, 2.0, 1.0]), 1, "its qform is mirrored against it"),
        (np.array([[2.0, 0, 0, 9], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]), 1, "its qform puts a corner 9 mm away"),
    ],
)
def test_sform_against_the_others(affine: Any, code: int, said: str, file: Path) -> None:
    sform(file, affine, code)
    with pytest.warns(UserWarning, match=f"ct.nii' contradicts itself: its sform, which is taken, .*{said}"):
        volume = Volume.from_file(file)
    np.testing.assert_allclose(volume.anatomical_from_ijk.numpy(), affine, rtol=1e-6)
    assert volume.spacing_mm == pytest.approx(Volume.from_file(file, use="sform").spacing_mm)
    assert torch.equal(Volume.from_file(file, use="qform").anatomical_from_ijk, GRIDS["RAS"])
    assert Volume.from_file(file, use="pixdim").spacing_mm == pytest.approx((2.0, 2.0, 2.0))


def test_sform_against_pixdim_without_a_qform(file: Path) -> None:
    edit(file, QFORM_CODE, 0, kind="<i2")
    sform(file, np.eye(4))
    with pytest.warns(UserWarning, match="use='pixdim' takes what the other says"):
        Volume.from_file(file)
    with pytest.raises(ValueError, match=r"must be what the header of '.*' states, got 'qform' where qform_code is 0"):
        Volume.from_file(file, use="qform")


def test_singular_sform_names_the_qform(file: Path) -> None:
    sform(file, np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"the sform of .* must be invertible, .* use='qform' takes its qform"):
        Volume.from_file(file)
    assert torch.equal(Volume.from_file(file, use="qform").anatomical_from_ijk, GRIDS["RAS"])


@pytest.mark.parametrize(
    ("offset", "values", "said"),
    [
        (QUATERN, (0.9, 0.9, 0.9), "must be a rotation, got the quaternion part 0.9, 0.9, 0.9"),
        (QUATERN, (np.nan, 0.0, 0.0), "must be a rotation"),
        (PIXDIM, (0.5,), "must be 1 or −1, the handedness of its qform, got 0.5"),
        (PIXDIM + 4, (-2.0,), "voxels of a size above 0"),
        (PIXDIM + 4, (np.inf,), "voxels of a size above 0"),
    ],
)
def test_qform_that_is_none(offset: int, values: tuple[float, ...], said: str, file: Path) -> None:
    edit(file, SFORM_CODE, 0, kind="<i2")
    edit(file, offset, *values)
    with pytest.raises(ValueError, match=said):
        Volume.from_file(file)


def test_handedness_of_the_qform(file: Path) -> None:
    edit(file, SFORM_CODE, 0, kind="<i2")
    plain = Volume.from_file(file).anatomical_from_ijk
    assert torch.equal(Volume.from_file(edit(file, PIXDIM, 0.0)).anatomical_from_ijk, plain)
    assert torch.equal(
        Volume.from_file(edit(file, PIXDIM, -1.0)).anatomical_from_ijk,
        plain @ torch.diag(torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=torch.float64)),
    )


def test_use_is_for_nifti(tmp_path: Path) -> None:
    (tmp_path / "ct.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(ValueError, match="use is for NIfTI, got 'sform'"):
        Volume.from_file(tmp_path / "ct.nrrd", use="sform")
