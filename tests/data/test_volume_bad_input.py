"""Every input that is not a CT is refused in a sentence that shows what was found."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import torch
from volume_phantoms import GRIDS, ramp, write_nifti

from deepdrr import Volume
from deepdrr.resources import resource_path


def refused(path: Path, sentence: str, error: type[Exception] = ValueError, **options: Any) -> None:
    with pytest.raises(error, match=sentence) as caught:
        Volume.from_file(path, **options)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "gone.nii", "there is no file", FileNotFoundError)


def test_a_folder_is_no_nifti_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="must be a file, got the folder"):
        Volume.from_nifti(tmp_path)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    refused(tmp_path / name, "is empty")


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_not_what_the_suffix_says(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"a shopping list\n" * 100)
    refused(tmp_path / name, "not a readable NIfTI|damaged")


def test_an_unknown_kind(tmp_path: Path) -> None:
    (tmp_path / "ct.txt").write_text("hello")
    refused(tmp_path / "ct.txt", "no known kind")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("part", [0.3, 0.9, 0.995])
def test_a_truncated_nifti(suffix: str, part: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-1000, 1000, (20, 20, 20)).astype(np.int16)
    path = write_nifti(tmp_path / f"ct{suffix}", noise)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refused(path, "truncated|not a readable NIfTI")


def test_a_damaged_nifti_fails_its_checksum(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp((20, 20, 20)))
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[-6] ^= 0xFF  # in the checksum: the voxels can be unpacked, but are not what was packed
    (tmp_path / "ct.nii.gz").write_bytes(packed)
    refused(tmp_path / "ct.nii.gz", "differ from their checksum")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_truncated_itk_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"ct{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ramp((20, 20, 20))), str(path))
    path.write_bytes(path.read_bytes()[:-2000])
    refused(path, "damaged")


def test_four_dimensions(tmp_path: Path) -> None:
    refused(write_nifti(tmp_path / "ct.nii", np.stack([ramp()] * 3, -1)), "one 3-D volume, got 4 dimensions 7×6×5×3")
    one = write_nifti(tmp_path / "one.nii", ramp()[..., None])
    assert Volume.from_nifti(one).shape == ramp().shape


def test_a_flat_picture(tmp_path: Path) -> None:
    refused(write_nifti(tmp_path / "ct.nii", ramp()[:, :, 0]), "one 3-D volume, got 2 dimensions")


def test_color_and_complex(tmp_path: Path) -> None:
    color = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    refused(write_nifti(tmp_path / "rgb.nii", color), "got colour voxels")
    refused(
        write_nifti(tmp_path / "complex.nii", ramp().astype(np.complex64)), "real numbers, got voxels of type complex"
    )
    vectors = SimpleITK.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(vectors, str(tmp_path / "rgb.mha"))
    refused(tmp_path / "rgb.mha", "got 3 values in each voxel")


@pytest.mark.parametrize(
    ("offset", "value"),
    [(42, np.array([-7], np.int16)), (42, np.array([0], np.int16)), (108, np.array([1e30], np.float32))],
    ids=["negative size", "no size", "voxels beyond the end"],
)
def test_a_header_out_of_its_mind(offset: int, value: np.ndarray, tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, offset, value)
    refused(path, "holds no voxels|damaged|not a readable")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite(value: float, tmp_path: Path) -> None:
    hu = ramp().astype(np.float32)
    hu[2, 3, 4] = value
    refused(write_nifti(tmp_path / "ct.nii", hu), r"1 NaN or infinite voxels, the first at \[i, j, k\] = \(2, 3, 4\)")


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        (np.linspace(0, 1, 210), "from 0 to 1, none negative"),
        (np.linspace(0, 255, 210), "from 0 to 255, none negative"),
        (np.linspace(0, 4095, 210), "from 0 to 4095, none negative"),
        (np.linspace(-1, 1, 210), "from -1 to 1, none below -200"),
        (np.linspace(-128, 127, 210), "from -128 to 127, none below -200"),
        (np.linspace(-1000, 64512, 210), "up to 64512, beyond any CT scale"),
    ],
    ids=["unit", "bytes", "stored", "symmetric", "signed bytes", "unsigned"],
)
def test_numbers_that_are_not_hu(values: np.ndarray, seen: str) -> None:
    values = values.reshape(7, 6, 5)
    with pytest.raises(ValueError, match=f"must hold Hounsfield units .* got values {seen}.*check_hu='off'"):
        Volume.from_array(values, torch.eye(4))
    with pytest.warns(UserWarning, match="must hold Hounsfield units"):
        Volume.from_array(values, torch.eye(4), check_hu="warn")
    assert Volume.from_array(values, torch.eye(4), check_hu="off").shape == (7, 6, 5)


@pytest.mark.parametrize("value", [1e8, 1e38])
def test_numbers_that_no_matter_has_are_refused_whatever_is_checked(value: float) -> None:
    hu = ramp().astype(np.float32)
    hu[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"which no matter has"):
        Volume.from_array(hu, torch.eye(4), check_hu="off")


def test_check_hu_is_one_of_its_words() -> None:
    with pytest.raises(ValueError, match="check_hu must be one of 'refuse', 'warn', 'off', got False"):
        Volume.from_array(ramp(), torch.eye(4), check_hu=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("padding", [-1500, -2000, -2048, -3024])
def test_what_was_not_measured_is_air(padding: int) -> None:
    hu = ramp()
    hu[:2] = padding
    ct = Volume.from_array(hu, torch.eye(4))
    assert float(ct.hu.min()) == -1000.0
    assert torch.all(ct.hu[:2] == -1000.0)
    assert ct.source.padding_voxels == 60
    assert hu[0, 0, 0] == padding  # the caller's array is left alone


def test_padding_does_not_pass_for_air() -> None:
    values = np.full((4, 4, 4), 100)
    values[0] = -2048
    with pytest.raises(ValueError, match="from 100 to 100, none negative"):
        Volume.from_array(values, torch.eye(4))
    with pytest.raises(ValueError, match="padding only: all 64 voxels"):
        Volume.from_array(np.full((4, 4, 4), -2048), torch.eye(4))


def test_a_nifti_without_orientation_needs_an_affine(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, 252, np.zeros(2, np.int16))  # qform_code and sform_code
    refused(path, "does not say how the patient lies")
    with pytest.raises(ValueError, match="does not say"):
        Volume.from_nifti(path)
    assert torch.equal(Volume.from_nifti(path, anatomical_from_ijk=GRIDS["LPS"]).anatomical_from_ijk, GRIDS["LPS"])


def test_an_affine_is_not_silently_replaced(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp())
    with pytest.raises(ValueError, match="has its own"):
        Volume.from_nifti(path, anatomical_from_ijk=torch.eye(4))


def test_a_nrrd_without_space_needs_an_affine(tmp_path: Path) -> None:
    path = tmp_path / "ct.nrrd"
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 7 6 5\nspacings: 1 1 2\nencoding: raw\nendian: little\n\n"
    path.write_bytes(head.encode() + ramp().tobytes(order="F"))
    refused(path, "no 'space' field")
    assert torch.equal(
        Volume.from_nrrd(path, anatomical_from_ijk=GRIDS["RAS"]).hu.int(), torch.from_numpy(ramp()).int()
    )


@pytest.mark.parametrize(("unit", "mm"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)])
def test_units_of_the_header(unit: int, mm: float, tmp_path: Path) -> None:
    affine = torch.diag(torch.tensor([2 / mm, 2 / mm, 2 / mm, 1.0], dtype=torch.float64))
    path = write_nifti(tmp_path / "ct.nii", ramp(), affine, xyzt_units=unit | 8)
    assert Volume.from_nifti(path).spacing_mm == pytest.approx((2.0, 2.0, 2.0))


def test_an_unknown_unit(tmp_path: Path) -> None:
    refused(write_nifti(tmp_path / "ct.nii", ramp(), xyzt_units=5), "unknown unit code 5")


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_no_scale_in_the_header(slope: float, tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, 112, np.array([slope, 7.0], np.float32))
    assert float(Volume.from_nifti(path).hu[0, 0, 0]) == -1000.0


def test_a_scale_in_the_header(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", (ramp() + 1000).astype(np.uint16))
    edit(path, 112, np.array([2.0, -1024.0], np.float32))
    assert torch.equal(Volume.from_nifti(path).hu, torch.from_numpy(2.0 * (ramp() + 1000.0) - 1024.0).float())


@pytest.mark.parametrize("intercept", [np.nan, np.inf])
def test_an_intercept_that_is_no_number(intercept: float, tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, 112, np.array([1.0, intercept], np.float32))
    refused(path, "must have a finite intercept")


def edit(path: Path, offset: int, new: np.ndarray) -> None:
    """Overwrite bytes of a header: nibabel refuses to write these."""
    content = bytearray(path.read_bytes())
    content[offset : offset + new.nbytes] = new.tobytes()
    path.write_bytes(content)


def test_a_singular_affine(tmp_path: Path) -> None:
    flat = torch.diag(torch.tensor([1.0, 1.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match="anatomical_from_ijk must be invertible"):
        Volume.from_array(ramp(), flat)
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, 280 + 32, np.zeros(4, np.float32))  # the third row of the sform
    refused(path, "must be invertible, got the singular matrix")


@pytest.mark.parametrize("shape", [(4, 4), (2, 2, 2, 2), (0, 4, 4)])
def test_an_array_must_be_a_volume(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="hu must be a 3-D array with at least one voxel"):
        Volume.from_array(np.zeros(shape), torch.eye(4))


def test_an_array_must_hold_numbers() -> None:
    with pytest.raises(TypeError, match="integers or floats, got dtype complex128"):
        Volume.from_array(ramp().astype(complex), torch.eye(4))


@pytest.mark.parametrize("option", [{"series": "1.2.3"}, {"repair": "shear"}])
def test_dicom_options_are_for_dicom(option: dict[str, Any], tmp_path: Path) -> None:
    refused(write_nifti(tmp_path / "ct.nii", ramp()), "is for DICOM", **option)


def test_the_bundled_ct() -> None:
    ct = Volume.from_file(resource_path("data/ct/pelvis.nii.gz"))
    assert float(ct.hu.min()) == -1000.0
    assert 1000 < float(ct.hu.max()) < 3072
    assert repr(ct).startswith("Volume(314×268×")
    assert "voxels of 1.5×1.5×3 mm, axes RAS, HU -1000 to " in repr(ct)


def test_a_spacing_of_zero_behind_a_qform(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """nibabel would take it for 1 mm, and log a line."""
    path = write_nifti(tmp_path / "ct.nii", ramp(), sform_code=0, qform_code=1)
    header = bytearray(path.read_bytes())
    header[252:256] = np.array([1, 0], np.int16).tobytes()  # qform_code, sform_code
    header[80:84] = np.float32(0.0).tobytes()  # pixdim[1]
    path.write_bytes(header)
    refused(path, "size above 0")
    assert not caplog.records


def test_a_header_with_more_voxels_than_its_file(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, 42, np.full(3, 32000, np.int16))  # dim[1..3]
    refused(path, "truncated or damaged: its voxels take 65536000000000 bytes by its header, but the file holds 420")


def test_a_file_with_more_voxels_than_memory(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp())
    edit(path, 42, np.full(3, 8000, np.int16))
    os.truncate(path, 352 + 2 * 8000**3)  # a hole takes no room on the disk
    refused(path, "8000×8000×8000 voxels that take 2048000000000 bytes", MemoryError)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_lengths_in_another_unit_are_warned_of(unit: float, tmp_path: Path) -> None:
    affine = torch.diag(torch.tensor([60.0 * unit, 60.0 * unit, 60.0 * unit, 1.0]))
    path = write_nifti(tmp_path / "ct.nii", ramp(), affine)
    with pytest.warns(UserWarning, match=r"must be in mm, got a scan of .* another unit"):
        Volume.from_nifti(path)


def test_names_and_points_that_are_no_mappings(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_bytes(b"id,name\n1,\xff\xfe")
    labels = np.ones_like(ramp())
    with pytest.raises(ValueError, match=r"names\.csv' must be UTF-8 text, but byte 10 in line 2 is none"):
        Volume.from_array(ramp(), GRIDS["RAS"], labels=labels, label_names=tmp_path / "names.csv")
    with pytest.raises(TypeError, match="label_names must map integers to names"):
        Volume.from_array(ramp(), GRIDS["RAS"], labels=labels, label_names=["bone"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="landmarks must map names to points"):
        Volume.from_array(ramp(), GRIDS["RAS"], landmarks=[(1, 2, 3)])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="anatomical_from_ijk must be a 4×4 matrix of numbers"):
        Volume.from_array(ramp(), None)  # type: ignore[arg-type]
