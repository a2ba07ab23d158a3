"""Numbers that are Hounsfield units by their range, and are not what they seem."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dicom_writer import Grid, write_slices

from deepdrr import Volume
from deepdrr.data.dicom._read import read_dicom
from deepdrr.resources import resource_path

SHAPE = (40, 36, 30)


def patient(noise: float = 12.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """An ellipsoid of tissue with a core of bone, in air; noise of a scanner."""
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    hu = np.where((i / 0.8) ** 2 + (j / 0.7) ** 2 + (k / 2.0) ** 2 < 1, 40.0, -1000.0)
    hu[i**2 + j**2 < 0.05] = 900.0
    return np.rint(hu + np.random.default_rng(1).normal(0, noise, SHAPE)).clip(-1024, 3071).astype(np.float32)


def read(hu: Any, **options: Any) -> Volume:
    return Volume.from_array(hu, torch.eye(4), **options)


def silently(hu: Any, **options: Any) -> Volume:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read(hu, **options)


def test_a_scan_as_it_is() -> None:
    silently(patient())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))


@pytest.mark.parametrize("value", [0.0, 40.0, -500.0])
def test_a_wedge_that_was_filled_in(value: float) -> None:
    hu = patient()
    wedge = np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) < 12
    hu[wedge] = value
    with pytest.warns(UserWarning, match=rf"got exactly {value:g} HU in blocks that are \d\.\d% of its border"):
        kept = read(hu)
    assert torch.equal(kept.hu, torch.from_numpy(hu))
    assert torch.equal(silently(hu, assume="tissue").hu, kept.hu)
    air = silently(hu, assume="air")
    assert (air.hu[torch.from_numpy(wedge)] == -1000).all()
    beside = (air.hu != kept.hu) & ~torch.from_numpy(wedge)[..., None]
    assert int(beside.sum()) < 0.001 * hu.size  # of the patient's voxels some have that value by chance, and touch it
    assert air.source.padding_voxels == wedge.sum() * SHAPE[2] + int(beside.sum())
    silently(hu, check_hu="off")


def test_voxels_of_the_filling_inside_stay() -> None:
    hu = patient()
    hu[:3], hu[18, 18, 15] = 0.0, 0.0
    assert float(silently(hu, assume="air").hu[18, 18, 15]) == 0.0


def test_a_scale_that_was_clipped() -> None:
    hu = patient(noise=150.0).clip(-1024, 900)
    with pytest.warns(UserWarning, match=r"got \d+ voxels of exactly 900 HU, its highest value: it looks clipped"):
        read(hu)
    silently(hu, assume="tissue")


def test_a_phantom_of_one_bone_is_not_clipped() -> None:
    silently(patient(noise=0.0))


def test_words_that_are_accepted() -> None:
    with pytest.raises(ValueError, match="assume must be one of 'air', 'tissue', got 'bone'"):
        read(patient(), assume="bone")


# -- DICOM -------------------------------------------------------------------------------------------------------------

GRID = Grid(shape=(12, 10, 4))


def padded(folder: Path) -> tuple[int, int]:
    """Slices whose padding value is tissue, 976 HU; it is in how many pixels at the border, and inside."""

    def edit(dataset: Any, n: int) -> None:
        pixels = np.frombuffer(dataset.PixelData, np.int16).reshape(dataset.Rows, dataset.Columns).copy()
        pixels[:2], pixels[6, 3:5] = 3000, 3000
        dataset.PixelData, dataset.PixelPaddingValue = pixels.tobytes(), 3000

    write_slices(folder, GRID, rescale=lambda k: (1.0, -2024.0), edit=edit)
    return 2 * GRID.shape[0] * GRID.shape[2], 2 * GRID.shape[2]


def test_padding_that_is_also_tissue(tmp_path: Path) -> None:
    border, inside = padded(tmp_path)
    sentence = rf"padding value of .* is also tissue \(976 HU\): .* and {inside} pixels inside were kept"
    with pytest.warns(UserWarning, match=sentence):
        ct = read_dicom(tmp_path)
    assert (ct.source.padding_voxels, np.count_nonzero(ct.hu == 976)) == (border, inside)
    air, tissue = (read_dicom(tmp_path, assume=assume) for assume in ("air", "tissue"))
    assert (air.source.padding_voxels, np.count_nonzero(air.hu == 976)) == (border + inside, 0)
    assert (tissue.source.padding_voxels, np.count_nonzero(tissue.hu == 976)) == (0, border + inside)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("high", [11, 15])
def test_bits_elsewhere_than_in_the_low_ones(signed: int, high: int, tmp_path: Path) -> None:
    def shift(dataset: Any, n: int) -> None:
        stored = np.frombuffer(dataset.PixelData, np.int16).astype(np.int32) - (1600 if signed else 0)
        rubbish = np.random.default_rng(n).integers(0, 2**16, stored.shape)  # such as the bits of an overlay
        low = high - 11
        words = ((stored & 0xFFF) << low) | (rubbish & ~(0xFFF << low))
        dataset.PixelData = words.astype(np.uint16).tobytes()
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, high, signed
        dataset.RescaleIntercept = -1024 + (1600 if signed else 0)

    plain = read_dicom(write_slices(tmp_path / "a", GRID, rescale=lambda k: (1.0, -1024.0)))
    moved = read_dicom(write_slices(tmp_path / "b", GRID, rescale=lambda k: (1.0, -1024.0), edit=shift))
    assert np.array_equal(moved.hu, plain.hu)


def test_bits_beyond_the_word(tmp_path: Path) -> None:
    folder = write_slices(tmp_path, edit=lambda d, n: setattr(d, "HighBit", 8))
    with pytest.raises(ValueError, match="is damaged: it keeps 16 bits up to bit 8 in words of 16 bits"):
        read_dicom(folder)
