"""The same patient in every file format and voxel order has the same HU at the same point."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from volume_phantoms import GRIDS, SHAPE, ramp, volume, write_nifti

from deepdrr import Volume
from deepdrr.data import axes_code
from deepdrr.geometry import RAS_FROM_LPS, transform_points

# NIfTI stores the affine in float32: 56 mm is known to 4e-6 mm.
AFFINE_MM = 1e-5


def hu_at(ct: Volume, point_anatomical: torch.Tensor) -> float:
    i, j, k = torch.linalg.solve(ct.anatomical_from_ijk, torch.cat([point_anatomical, torch.ones(1)]))[:3].round().int()
    return float(ct.hu[i, j, k])


def itk_image(hu: np.ndarray, affine: torch.Tensor) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(hu.T))
    lps_from_ijk = RAS_FROM_LPS @ affine
    spacing = lps_from_ijk[:3, :3].norm(dim=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps_from_ijk[:3, :3] / spacing).flatten().tolist())
    image.SetOrigin(lps_from_ijk[:3, 3].tolist())
    return image


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_a_file_and_an_array_give_the_same_volume(grid: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"ct{suffix}"
    if suffix.startswith(".nii"):
        write_nifti(path, ramp(), GRIDS[grid])
    else:
        SimpleITK.WriteImage(itk_image(ramp(), GRIDS[grid]), str(path))
    ct = Volume.from_file(path)
    assert torch.equal(ct.hu, volume(grid).hu)
    assert torch.allclose(ct.anatomical_from_ijk, GRIDS[grid], atol=AFFINE_MM, rtol=0)


@pytest.mark.parametrize("flip", [(0,), (1, 2), (0, 1, 2)])
def test_the_order_of_voxels_does_not_move_the_patient(flip: tuple[int, ...]) -> None:
    ct = volume("oblique")
    from_flipped = torch.eye(4, dtype=torch.float64)
    for axis in flip:
        from_flipped[axis, axis], from_flipped[axis, 3] = -1.0, SHAPE[axis] - 1.0
    flipped = Volume.from_array(np.flip(ramp(), flip), ct.anatomical_from_ijk @ from_flipped)
    for ijk in [(0, 0, 0), (6, 0, 4), (2, 5, 1)]:
        here = transform_points(ct.anatomical_from_ijk, torch.tensor(ijk, dtype=torch.float64))
        assert hu_at(flipped, here) == float(ct.hu[ijk])
    assert torch.allclose(flipped.center_in_anatomical, ct.center_in_anatomical)


@pytest.mark.parametrize(
    ("grid", "code"), [("RAS", "RAS"), ("LPS", "LPS"), ("LAS, left-handed", "LAS"), ("oblique", "RAS")]
)
def test_axes_code(grid: str, code: str) -> None:
    assert axes_code(GRIDS[grid]) == code


def test_spacing_is_along_the_voxel_axes() -> None:
    assert volume("oblique").spacing_mm == pytest.approx((0.7, 0.9, 2.5))


@pytest.mark.parametrize("grid", GRIDS)
def test_a_cropped_voxel_stays_where_it_was(grid: str) -> None:
    ct = volume(grid, labels=ramp() % 2, landmarks={"tip": (1, 2, 3)})
    ct.rotate((1, 1, 0), 30)
    part = ct.crop(ijk=((1, 2, 0), (5, 6, 3)))
    assert part.shape == (4, 4, 3)
    assert torch.equal(part.hu, ct.hu[1:5, 2:6, 0:3])
    assert torch.equal(part.labels, ct.labels[1:5, 2:6, 0:3])
    here = transform_points(part.world_from_ijk, torch.zeros(3, dtype=torch.float64))
    assert torch.allclose(here, transform_points(ct.world_from_ijk, torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)))
    assert torch.equal(part.landmark_in_world("tip"), ct.landmark_in_world("tip"))


def test_an_anatomical_box_keeps_every_voxel_it_touches() -> None:
    ct = volume("LPS")  # voxel i reaches from x = −i − 0.5 to −i + 0.5
    part = ct.crop(anatomical=((-2.6, -3.0, 3.0), (-4.0, -1.0, 6.0)))
    assert part.shape == (2, 3, 2)
    assert torch.equal(part.hu, ct.hu[3:5, 1:4, 1:3])
    assert ct.crop(anatomical=((-2.6, -3.0, 3.0), (-4.0, -1.0, 6.0)), margin_mm=100).shape == ct.shape


def test_a_box_can_be_given_by_landmarks() -> None:
    ct = volume("LPS", landmarks={"a": (-1, -1, 0), "b": (-3, -2, 6)})
    assert torch.equal(ct.crop(anatomical=("a", "b")).hu, ct.hu[1:4, 1:3, 0:3])


def test_crop_needs_one_box_on_the_grid() -> None:
    ct = volume()
    with pytest.raises(ValueError, match="one of ijk and anatomical"):
        ct.crop()
    with pytest.raises(ValueError, match="box must hold voxels of the 7×6×5 grid"):
        ct.crop(anatomical=((100, 0, 0), (200, 1, 1)))


@pytest.mark.parametrize("spacing", [1.0, (0.5, 3.0, 2.0), 5.0])
def test_resampling_keeps_the_center_and_the_place(spacing: float | tuple[float, ...]) -> None:
    ct = volume("oblique")
    ct.orient_patient(supine=False, center=(1, 2, 3))
    other = ct.resample(spacing)
    assert other.spacing_mm == pytest.approx((spacing,) * 3 if isinstance(spacing, float) else spacing)
    assert torch.allclose(other.center_in_world, ct.center_in_world)


def test_a_linear_ramp_is_resampled_exactly() -> None:
    """Between the outermost voxel centres linear interpolation of a linear function is that function."""
    i = torch.arange(20.0)
    ct = Volume.from_array((-1000 + 100 * i)[:, None, None].expand(20, 3, 3), torch.eye(4))
    for spacing in (0.5, 2.0):
        fine = ct.resample((spacing, 1.0, 1.0))
        x = transform_points(fine.anatomical_from_ijk, torch.tensor([[4.0, 1, 1], [7.0, 1, 1]]))[:, 0]
        # float32 sums of HU up to 1000
        assert torch.allclose(fine.hu[[4, 7], 1, 1], -1000 + 100 * x, atol=1e-3)


def test_coarse_voxels_average_what_is_finer() -> None:
    """Stripes of one voxel, far above the new sampling rate, become their mean instead of new stripes."""
    stripes = torch.where(torch.arange(64) % 2 == 0, -1000.0, 1000.0)[:, None, None].expand(64, 2, 2)
    coarse = Volume.from_array(stripes, torch.eye(4)).resample((4.0, 1.0, 1.0))
    assert float(coarse.hu[2:-2].abs().max()) < 1e-3


def test_labels_are_never_mixed() -> None:
    labels = np.where(np.arange(7)[:, None, None] < 4, 3, 200) * np.ones(SHAPE, int)
    assert volume(labels=labels).resample(0.9).labels.unique().tolist() == [3, 200]


@pytest.mark.parametrize("spacing", [0.0, -1.0, (1.0, 2.0), float("nan")])
def test_spacing_must_be_a_length(spacing: float) -> None:
    with pytest.raises(ValueError, match="spacing_mm must be one or three positive lengths"):
        volume().resample(spacing)
