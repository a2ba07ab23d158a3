"""Repairs happen only on request and keep the anatomy in place."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writer import Grid, phantom_at, write_enhanced, write_slices
from pydicom.data import get_testdata_file

from deepdrr.data._scan import Scan
from deepdrr.data.dicom._read import read_dicom
from deepdrr.geometry import rotation

# Half a step of the stored numbers (0.25 HU), as in test_dicom; the phantom is linear, so interpolation adds nothing.
HALF_STEP = 0.126


def check_phantom(scan: Scan) -> None:
    """Every voxel holds the phantom's HU or, outside the slices, air."""
    expected = phantom_at(scan.anatomical_from_ijk.numpy(), scan.hu.shape)
    covered = scan.hu != -1000.0
    np.testing.assert_allclose(scan.hu[covered], expected[covered], rtol=0.0, atol=HALF_STEP)


def tilted_grid(degrees: float = 20.0, *, oblique: bool = False) -> Grid:
    """Slices shifted toward posterior against each other, as a gantry tilted about the x axis writes them."""
    step = np.array([0.0, 2.5 * np.tan(np.radians(degrees)), 2.5])
    turn = rotation((1.0, 2.0, -0.5), 37.0 if oblique else 0.0).numpy()
    return Grid(shape=(6, 9, 5), row=tuple(turn[:, 0]), column=tuple(turn[:, 1]), step=tuple(turn @ step))


class TestShear:
    @pytest.mark.parametrize("oblique", [False, True])
    @pytest.mark.parametrize("degrees", [-20.0, 7.5, 30.0])
    def test_every_voxel_stays_as_it_is_at_its_place(self, tmp_path: Path, degrees: float, oblique: bool) -> None:
        grid = tilted_grid(degrees, oblique=oblique)
        scan = read_dicom(write_slices(tmp_path, grid), repair="shear")
        assert scan.hu.shape == grid.shape
        np.testing.assert_allclose(scan.anatomical_from_ijk.numpy(), grid.ras_from_ijk, atol=1e-9)
        np.testing.assert_allclose(scan.hu, grid.phantom(), rtol=0.0, atol=HALF_STEP)
        assert scan.source.notes == (
            f"the gantry was tilted by {abs(degrees):.2f}°, which the affine holds as a shear",
        )

    def test_frames(self, tmp_path: Path) -> None:
        check_phantom(read_dicom(write_enhanced(tmp_path / "ct.dcm", tilted_grid()), repair="shear"))

    def test_a_real_tilted_gantry(self, tmp_path: Path) -> None:
        """A head slice tilted by 22° (pydicom's J2K_pixelrep_mismatch), and the same 5 mm further along the table.

        Its JPEG 2000 stream is signed otherwise than the header says, which pydicom corrects.
        """
        pytest.importorskip("openjpeg", reason="needs the extra deepdrr[dicom]")
        original = pydicom.dcmread(str(get_testdata_file("J2K_pixelrep_mismatch.dcm")))
        x, y, z = map(float, original.ImagePositionPatient)
        for k in (0, 1):
            original.ImagePositionPatient = [x, y, z + 5.0 * k]
            original.save_as(tmp_path / f"{k}.dcm")
        with pytest.raises(ValueError, match=r"shifted by 22\.00° against their normal"):
            read_dicom(tmp_path)
        scan = read_dicom(tmp_path, repair="shear")
        np.testing.assert_allclose(scan.anatomical_from_ijk[:3, 2], [0.0, 0.0, 5.0], atol=1e-9)
        stored = original.pixel_array.T.astype(np.float32)  # slope 1, intercept 0
        np.testing.assert_array_equal(scan.hu[:, :, 0], np.where(stored <= -1500, -1000, stored))

    def test_does_not_make_uneven_slices_even(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="slices are missing"):
            read_dicom(write_slices(tmp_path, tilted_grid(), places=[0, 1, 2, 4]), repair="shear")


class TestResample:
    def test_missing_slices(self, tmp_path: Path) -> None:
        scan = read_dicom(write_slices(tmp_path, places=[0, 1, 4, 5, 6, 7]), repair="resample")
        assert scan.hu.shape[2] == 8
        assert (scan.hu != -1000.0).all()
        check_phantom(scan)
        (note,) = scan.source.notes
        assert "6 slices, up to 7.5 mm apart" in note
        assert "to 8 slices every 2.5 mm" in note

    def test_slices_in_their_place_keep_their_values(self, tmp_path: Path) -> None:
        whole = read_dicom(write_slices(tmp_path / "whole", places=range(8)))
        repaired = read_dicom(write_slices(tmp_path / "gap", places=[0, 1, 4, 5, 6, 7]), repair="resample")
        kept = [0, 1, 4, 5, 6, 7]
        # float32 products of weights that are 1 to 1e-16
        np.testing.assert_allclose(repaired.hu[:, :, kept], whole.hu[:, :, kept], rtol=1e-6)
        assert repaired.anatomical_from_ijk.allclose(whole.anatomical_from_ijk)

    def test_uneven_slices(self, tmp_path: Path) -> None:
        scan = read_dicom(write_slices(tmp_path, places=[0, 1, 2.2, 3, 4.5, 6.1]), repair="resample")
        assert (scan.hu != -1000.0).all()
        check_phantom(scan)

    @pytest.mark.parametrize("degrees", [-20.0, 7.5])
    @pytest.mark.parametrize("oblique", [False, True])
    def test_tilted_gantry_becomes_a_straight_grid(self, tmp_path: Path, degrees: float, oblique: bool) -> None:
        grid = tilted_grid(degrees, oblique=oblique)
        scan = read_dicom(write_slices(tmp_path, grid), repair="resample")
        columns = scan.anatomical_from_ijk[:3, :3]
        gram = columns.T @ columns
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-9)
        expected = phantom_at(scan.anatomical_from_ijk.numpy(), scan.hu.shape)
        shifts = np.arange(grid.shape[2]) * 2.5 * np.tan(np.radians(degrees)) / grid.spacing[1]
        starts = shifts - np.floor(shifts.min())
        for k, start in enumerate(starts):
            j = np.arange(scan.hu.shape[1])
            inside = (j >= start - 1e-6) & (j <= start + grid.shape[1] - 1 + 1e-6)
            outside = (j <= start - 1) | (j >= start + grid.shape[1])
            np.testing.assert_allclose(scan.hu[:, inside, k], expected[:, inside, k], rtol=0.0, atol=HALF_STEP)
            assert (scan.hu[:, outside, k] == -1000.0).all()

    def test_tilted_and_gapped(self, tmp_path: Path) -> None:
        scan = read_dicom(write_slices(tmp_path, tilted_grid(7.5), places=[0, 1, 3, 4]), repair="resample")
        assert scan.hu.shape[2] == 5


@pytest.mark.parametrize("repair", ["resample", "shear"])
def test_nothing_is_done_to_slices_that_need_no_repair(tmp_path: Path, repair: str) -> None:
    folder = write_slices(tmp_path)
    plain, asked = read_dicom(folder), read_dicom(folder, repair=repair)  # type: ignore[arg-type]
    np.testing.assert_array_equal(plain.hu, asked.hu)
    assert plain.anatomical_from_ijk.equal(asked.anatomical_from_ijk)
    assert asked.source.notes == ()
