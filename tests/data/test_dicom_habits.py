"""Habits of writers, anonymisers and exporters that leave a CT whole: it is read, and what was done is noted."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_writer import Grid, write_slices
from pydicom.uid import generate_uid

from deepdrr.data.dicom._read import read_dicom

GRID = Grid(shape=(6, 5, 5))


def assert_whole(folder: Path, **options: Any) -> Any:
    scan = read_dicom(folder, **options)
    np.testing.assert_allclose(scan.hu, GRID.phantom(), atol=0.126)  # half a stored number of 0.25 HU
    np.testing.assert_allclose(scan.anatomical_from_ijk.numpy(), GRID.ras_from_ijk, atol=1e-6)
    return scan


def setting(keyword: str, value: Any) -> Any:
    return lambda dataset, n: setattr(dataset, keyword, value(n) if callable(value) else value)


# -- UIDs --------------------------------------------------------------------------------------------------------------


def test_a_frame_of_reference_for_every_slice(tmp_path: Path) -> None:
    scan = assert_whole(write_slices(tmp_path, GRID, edit=setting("FrameOfReferenceUID", lambda n: generate_uid())))
    assert scan.source.notes == (
        "every slice has a frame of reference of its own; their positions are those of one scan",
    )


@pytest.mark.parametrize("series", [None, 3, "Pelvis"])
def test_a_series_uid_for_every_slice(series: Any, tmp_path: Path) -> None:
    folder = write_slices(tmp_path, GRID, edit=setting("SeriesInstanceUID", lambda n: generate_uid()))
    assert_whole(folder, series=series)


def test_a_series_uid_for_every_slice_of_two_series(tmp_path: Path) -> None:
    write_slices(tmp_path / "a", GRID, edit=setting("SeriesInstanceUID", lambda n: generate_uid()))

    def other(dataset: Any, n: int) -> None:
        dataset.SeriesInstanceUID, dataset.SeriesNumber = generate_uid(), 4

    write_slices(tmp_path / "b", Grid(shape=(6, 5, 4)), edit=other)
    with pytest.raises(ValueError, match=r"series must be given .* series 3 .*\(5 of 6×5\); series 4 .*\(4 of 6×5\)"):
        read_dicom(tmp_path)
    assert_whole(tmp_path, series=3)


@pytest.mark.parametrize("value", [None, ""])
def test_no_series_uid_anywhere(value: Any, tmp_path: Path) -> None:
    assert_whole(write_slices(tmp_path, GRID, edit=setting("SeriesInstanceUID", value)))


def test_a_class_in_the_meta_header_only(tmp_path: Path) -> None:
    from pydicom import dcmread

    folder = write_slices(tmp_path, GRID)
    for file in folder.iterdir():
        dataset = dcmread(file)
        dataset.SOPClassUID = ""
        dataset.save_as(file)
    assert_whole(folder)


# -- words -------------------------------------------------------------------------------------------------------------


SPELLINGS = "HU/hu/H.U./Hounsfield/Hounsfield Unit/Houndsfield Units/HOUNSFIELD_UNITS/hounsfeld/HU_MOD/UNSPECIFIED/US/"


@pytest.mark.parametrize("word", SPELLINGS.split("/"))
def test_words_for_hounsfield_units(word: str, tmp_path: Path) -> None:
    assert_whole(write_slices(tmp_path, GRID, edit=setting("RescaleType", word)))


@pytest.mark.parametrize("word", ["OD", "MGML", "Z_EFF", "ED", "EDW", "PCT", "counts"])
def test_words_for_other_units(word: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"must be HU .*, got {word}"):
        read_dicom(write_slices(tmp_path, GRID, edit=setting("RescaleType", word)))


# -- copies ------------------------------------------------------------------------------------------------------------


def test_all_files_twice(tmp_path: Path) -> None:
    write_slices(tmp_path / "a", GRID)
    shutil.copytree(tmp_path / "a", tmp_path / "copy of a")
    scan = assert_whole(tmp_path)
    assert scan.source.notes == ("5 slices are copies of others and were left out",)


def test_some_slices_three_times(tmp_path: Path) -> None:
    scan = assert_whole(write_slices(tmp_path, GRID, places=[0, 1, 1, 1, 2, 3, 4, 4]))
    assert scan.source.notes == ("3 slices are copies of others and were left out",)


# -- steps -------------------------------------------------------------------------------------------------------------


def test_steps_of_two_widths_are_not_missing_slices(tmp_path: Path) -> None:
    folder = write_slices(tmp_path, GRID, places=[0, 1, 2, 3, 4, 6, 8])
    with pytest.raises(ValueError, match=r"slices are unevenly spaced, from 2\.5 to 5 mm"):
        read_dicom(folder)
    assert read_dicom(folder, repair="resample").hu.shape[2] == 9


def test_slices_of_a_few_micrometres(tmp_path: Path) -> None:
    grid = Grid(shape=(6, 5, 5), step=(0.0, 0.0, 0.004), spacing=(0.004, 0.004), origin=(0.0, 0.0, 0.0))
    scan = read_dicom(write_slices(tmp_path, grid))
    assert scan.hu.shape == (6, 5, 5)
    np.testing.assert_allclose(scan.anatomical_from_ijk.numpy(), grid.ras_from_ijk, atol=1e-9)


def test_a_step_that_the_header_states_otherwise(tmp_path: Path) -> None:
    assert_whole(write_slices(tmp_path / "a", GRID, edit=setting("SpacingBetweenSlices", 2.5)))
    folder = write_slices(tmp_path / "b", GRID, edit=setting("SpacingBetweenSlices", 1.25))
    with pytest.warns(UserWarning, match=r"SpacingBetweenSlices says 1\.25 mm, .* 2\.5 mm: are slices missing"):
        assert_whole(folder)
