"""Selection of a series: the requested one, or a sentence that lists the available ones."""

from pathlib import Path

import pytest
from dicom_writer import Edit, write_enhanced, write_slices
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset

from deepdrr.data.dicom._read import read_dicom


def named(number: int, description: str, **tags: object) -> Edit:
    def edit(dataset: FileDataset, n: int) -> None:
        dataset.SeriesNumber, dataset.SeriesDescription = number, description
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)

    return edit


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two CT series, a scout in the folder of one of them, an MR, and files that are not DICOM."""
    soft = tmp_path / "a" / "soft"
    write_slices(soft, edit=named(2, "Abdomen soft"), series_uid="1.2.3.1")
    write_slices(tmp_path / "b", edit=named(3, "Abdomen bone", KVP=140), places=[0, 1, 2], series_uid="1.2.3.2")
    scout = named(2, "Abdomen soft", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_slices(tmp_path / "c", places=[7], edit=scout, series_uid="1.2.3.1")
    write_slices(tmp_path / "d", edit=named(9, "T2", Modality="MR"), series_uid="1.2.3.4")
    (tmp_path / "notes.txt").write_text("not DICOM")
    (soft / "DICOMDIR").write_bytes(Path(str(get_testdata_file("dicomdirtests/DICOMDIR"))).read_bytes())
    (soft / "._slice000.dcm").write_bytes(b"\0\5\26\7" * 20)  # what macOS leaves on foreign disks
    return tmp_path


@pytest.mark.parametrize("series", [3, "3", "1.2.3.2", "Abdomen bone", "abdomen BONE", "bone"])
def test_by_number_uid_or_description(study: Path, series: str | int) -> None:
    scan = read_dicom(study, series=series)
    assert scan.hu.shape[2] == 3
    assert scan.source.kvp == 140.0


def test_a_scout_in_the_series_is_left_out(study: Path) -> None:
    assert read_dicom(study, series=2).hu.shape[2] == 4


def test_one_series_needs_no_name(study: Path) -> None:
    assert read_dicom(study / "a").source.description == "Abdomen soft"


def test_several_series_are_listed(study: Path) -> None:
    with pytest.raises(ValueError, match="series must be given by UID, number or description") as caught:
        read_dicom(study)
    assert "series 2 'Abdomen soft' (4 of 6×5); series 3 'Abdomen bone' (3 of 6×5)" in str(caught.value)
    assert "T2" not in str(caught.value)


def test_a_name_that_fits_several_is_refused(study: Path) -> None:
    with pytest.raises(ValueError, match="series='Abdomen' must name one series only"):
        read_dicom(study, series="Abdomen")


def test_equal_names_are_told_apart_by_uid(tmp_path: Path) -> None:
    write_slices(tmp_path / "a", series_uid="1.2.3.1")
    write_slices(tmp_path / "b", series_uid="1.2.3.2")
    with pytest.raises(ValueError, match=r"UID 1\.2\.3\.1.*UID 1\.2\.3\.2"):
        read_dicom(tmp_path, series=3)


def test_an_unknown_name_lists_all(study: Path) -> None:
    with pytest.raises(ValueError, match=r"series='head' must name one in .*soft.*bone.*a localizer.*modality MR"):
        read_dicom(study, series="head")


def test_a_series_that_is_no_ct_says_what_it_is(study: Path) -> None:
    with pytest.raises(ValueError, match="series='T2' must be a CT, got modality MR"):
        read_dicom(study, series="T2")


def test_a_folder_without_ct_says_what_it_found(study: Path) -> None:
    (study / "d" / "readme.txt").write_text("MR")
    with pytest.raises(ValueError, match="found 4 × modality MR, a file that is not a DICOM image"):
        read_dicom(study / "d")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must hold CT slices, found no file at all"):
        read_dicom(tmp_path)


def test_a_multi_frame_file_is_one_scan(tmp_path: Path) -> None:
    assert read_dicom(write_enhanced(tmp_path / "ct")).hu.shape[2] == 4


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone.*does not exist"):
        read_dicom(tmp_path / "gone")


def test_a_link_to_a_file_that_is_gone(tmp_path: Path) -> None:
    """As git-annex leaves them: a slice that is named but not there is not silently left out."""
    write_slices(tmp_path)
    (tmp_path / "slice004.dcm").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"cannot read '.*slice004\.dcm': No such file"):
        read_dicom(tmp_path)
