"""One phantom, written in every shape DICOM knows, reads as the same HU at the same anatomical points."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writer import Grid, compress_by_gdcm, phantom_at, write_enhanced, write_slices
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from deepdrr.data._scan import Scan
from deepdrr.data.dicom._read import read_dicom
from deepdrr.geometry import rotation

# Stored numbers are steps of 0.25 HU, rounded: half a step, and the same again for positions of 16 characters.
HALF_STEP = 0.126


def oblique_grid() -> Grid:
    turn = rotation((1.0, 2.0, -0.5), 37.0).numpy()
    return Grid(row=tuple(turn[:, 0]), column=tuple(turn[:, 1]), step=tuple(2.5 * turn[:, 2]))


GRIDS = {
    "axial": Grid(),
    "feet_first": Grid(step=(0.0, 0.0, -2.5)),
    "sagittal": Grid(row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0), step=(3.0, 0.0, 0.0)),
    "oblique": oblique_grid(),
}


def check_phantom(scan: Scan) -> None:
    """The scan holds the phantom's HU at the anatomical points its affine gives to the voxels."""
    assert scan.hu.dtype == np.float32
    expected = phantom_at(scan.anatomical_from_ijk.numpy(), scan.hu.shape)
    np.testing.assert_allclose(scan.hu, expected, rtol=0.0, atol=HALF_STEP)


def shuffled(dataset: FileDataset, n: int) -> None:
    """InstanceNumber runs against the position, as after a reformat."""
    dataset.InstanceNumber = (7 * n) % 5


class TestSameScanInEveryShape:
    @pytest.mark.parametrize("name", GRIDS)
    def test_slices_in_any_order_of_files_and_numbers(self, tmp_path: Path, name: str) -> None:
        scan = read_dicom(write_slices(tmp_path, GRIDS[name], places=[2, 0, 3, 1], edit=shuffled))
        check_phantom(scan)
        assert scan.hu.shape == GRIDS[name].shape

    @pytest.mark.parametrize("name", GRIDS)
    def test_frames_of_an_enhanced_ct_in_any_order(self, tmp_path: Path, name: str) -> None:
        file = write_enhanced(tmp_path / "ct.dcm", GRIDS[name], places=[2, 0, 3, 1])
        check_phantom(read_dicom(file))

    def test_slices_and_frames_are_equal_to_the_bit(self, tmp_path: Path) -> None:
        classic = read_dicom(write_slices(tmp_path / "classic", oblique_grid(), places=[1, 3, 0, 2]))
        enhanced = read_dicom(write_enhanced(tmp_path / "enhanced.dcm", oblique_grid()))
        np.testing.assert_array_equal(classic.hu, enhanced.hu)
        assert classic.anatomical_from_ijk.equal(enhanced.anatomical_from_ijk)

    def test_rescale_of_each_slice(self, tmp_path: Path) -> None:
        steps = [(0.25, -1024.0), (0.125, 10.0), (0.2, -1000.0), (-0.25, 500.0)]
        check_phantom(read_dicom(write_slices(tmp_path / "classic", rescale=lambda n: steps[n])))
        check_phantom(read_dicom(write_enhanced(tmp_path / "ct.dcm", rescale=lambda n: steps[n])))

    def test_enhanced_ct_in_several_files(self, tmp_path: Path) -> None:
        write_enhanced(tmp_path / "b.dcm", places=[0, 1])
        write_enhanced(tmp_path / "a.dcm", places=[3, 2])
        check_phantom(read_dicom(tmp_path))

    def test_affine_is_ras(self, tmp_path: Path) -> None:
        """DICOM counts toward left and posterior: a first voxel at L −40, P 25 lies at R 40, A −25."""
        scan = read_dicom(write_slices(tmp_path))
        expected = [[-0.75, 0, 0, 40], [0, -1.25, 0, -25], [0, 0, 2.5, 100], [0, 0, 0, 1]]
        np.testing.assert_array_equal(scan.anatomical_from_ijk.numpy(), expected)

    def test_monochrome1_only_asks_for_another_display(self, tmp_path: Path) -> None:
        def edit(dataset: FileDataset, n: int) -> None:
            dataset.PhotometricInterpretation = "MONOCHROME1"

        check_phantom(read_dicom(write_slices(tmp_path, edit=edit)))


class TestStorage:
    @pytest.mark.parametrize("shape", ["slices", "frames"])
    @pytest.mark.parametrize(
        "syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=["rle", "jpeg2000", "jpeg-ls"]
    )
    def test_compressed(self, tmp_path: Path, syntax: str, shape: str) -> None:
        if syntax == JPEG2000Lossless:
            pytest.importorskip("openjpeg", reason="needs the extra deepdrr[dicom]")
        if syntax == JPEGLSLossless:
            pytest.importorskip("jpeg_ls", reason="needs pyjpegls to write the file")

        def edit(dataset: FileDataset, n: int) -> None:
            dataset.compress(syntax)

        grid = Grid(shape=(40, 36, 4))  # JPEG 2000 halves a picture five times
        if shape == "slices":
            check_phantom(read_dicom(write_slices(tmp_path, grid, edit=edit)))
        else:
            check_phantom(read_dicom(write_enhanced(tmp_path / "ct.dcm", grid, places=[3, 1, 0, 2], edit=edit)))

    @pytest.mark.parametrize("shape", ["slices", "frames"])
    @pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1], ids=["jpeg-lossless", "jpeg-lossless-sv1"])
    def test_compressed_as_by_most_scanners(self, tmp_path: Path, syntax: str, shape: str) -> None:
        pytest.importorskip("gdcm", reason="needs the extra deepdrr[dicom]")
        if shape == "slices":
            write_slices(tmp_path)
        else:
            write_enhanced(tmp_path / "ct.dcm", places=[3, 1, 0, 2])
        for file in tmp_path.iterdir():
            compress_by_gdcm(file, syntax)
            assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == syntax
        check_phantom(read_dicom(tmp_path))

    @pytest.mark.parametrize(
        "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian], ids=lambda s: s.name
    )
    def test_uncompressed(self, tmp_path: Path, syntax: pydicom.uid.UID) -> None:
        def edit(dataset: FileDataset, n: int) -> None:
            dataset.file_meta.TransferSyntaxUID = syntax
            if not syntax.is_little_endian:
                dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()

        check_phantom(read_dicom(write_slices(tmp_path / "classic", edit=edit)))
        check_phantom(read_dicom(write_enhanced(tmp_path / "ct.dcm", edit=edit)))

    @pytest.mark.parametrize("implicit", [True, False])
    def test_without_preamble_and_meta_information(self, tmp_path: Path, implicit: bool) -> None:
        write_slices(tmp_path)
        for file in tmp_path.iterdir():
            dataset = pydicom.dcmread(file)
            bare = pydicom.Dataset(dataset)
            pydicom.dcmwrite(file, bare, implicit_vr=implicit, little_endian=True)
        check_phantom(read_dicom(tmp_path))

    def test_bits_above_those_stored_are_ignored(self, tmp_path: Path) -> None:
        """Old scanners keep overlays in the unused bits."""

        def edit(dataset: FileDataset, n: int) -> None:
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 14, 13, 0
            stored = np.frombuffer(dataset.PixelData, np.uint16)
            dataset.PixelData = (stored | np.uint16(1 << 15)).tobytes()

        check_phantom(read_dicom(write_slices(tmp_path, edit=edit)))

    def test_a_real_scanner_s_slices(self) -> None:
        """Five of a cardiac scan, 16×16, that pydicom brings along; checked against its own rescale."""
        folder = Path(get_testdata_file("dicomdirtests/98892001/CT5N/2062")).parent  # type: ignore[arg-type]
        scan = read_dicom(folder)
        datasets = sorted((pydicom.dcmread(f) for f in folder.iterdir()), key=lambda d: d.ImagePositionPatient[2])
        for k, dataset in enumerate(datasets):
            np.testing.assert_array_equal(scan.hu[:, :, k], (dataset.pixel_array - 1024.0).T)
        first = datasets[0].ImagePositionPatient
        np.testing.assert_allclose(scan.anatomical_from_ijk[:3, 3], [-first[0], -first[1], first[2]])
        assert scan.source.kvp == 120.0


class TestPadding:
    def edit(self, value: int, limit: int | None = None) -> object:
        def edit(dataset: FileDataset, n: int) -> None:
            stored = np.frombuffer(dataset.PixelData, np.int16).copy()
            stored[:2] = [-2000, value]
            dataset.PixelData = stored.tobytes()
            dataset.PixelPaddingValue = value
            dataset["PixelPaddingValue"].VR = "SS" if value < 0 else "US"
            if limit is not None:
                dataset.PixelPaddingRangeLimit = limit
                dataset["PixelPaddingRangeLimit"].VR = "SS"

        return edit

    def test_padding_is_air(self, tmp_path: Path) -> None:
        """−300 stored is −1099 HU here: below air, yet only the tag says that it was not measured."""
        scan = read_dicom(write_slices(tmp_path, edit=self.edit(-300)))
        assert (scan.hu[:2, 0] == -1000.0).all()
        assert scan.source.padding_voxels == 8
        assert scan.hu.min() == -1000.0

    def test_range_of_padding(self, tmp_path: Path) -> None:
        scan = read_dicom(write_slices(tmp_path, edit=self.edit(-300, limit=-2500)))
        assert (scan.hu[:2, 0] == -1000.0).all()

    def test_padding_of_the_wrong_sign(self, tmp_path: Path) -> None:
        """63536 is how −2000 reads without its sign."""

        def edit(dataset: FileDataset, n: int) -> None:
            stored = np.frombuffer(dataset.PixelData, np.int16).copy()
            stored[0] = -2000
            dataset.PixelData = stored.tobytes()
            dataset.PixelPaddingValue = 63536
            dataset["PixelPaddingValue"].VR = "US"

        scan = read_dicom(write_slices(tmp_path, rescale=lambda n: (0.25, -600.0), edit=edit))
        assert (scan.hu[0, 0] == -1000.0).all()
        assert scan.source.padding_voxels == 4

    def test_below_the_scale_is_air_without_a_tag(self, tmp_path: Path) -> None:
        def edit(dataset: FileDataset, n: int) -> None:
            stored = np.frombuffer(dataset.PixelData, np.int16).copy()
            stored[-1] = -8192  # −3072 HU
            dataset.PixelData = stored.tobytes()

        scan = read_dicom(write_slices(tmp_path, edit=edit))
        assert (scan.hu[-1, -1] == -1000.0).all()
        assert scan.source.padding_voxels == 4


class TestSource:
    def test_holds_the_scan_and_not_the_patient(self, tmp_path: Path) -> None:
        source = read_dicom(write_slices(tmp_path)).source
        assert (source.format, source.modality, source.kvp) == ("dicom", "CT", 120.0)
        assert source.description == "Pelvis 2.5 B30s"
        assert source.notes == ()
        for secret in ("Secret", "4711", "1999", "1.2.3"):
            assert secret not in repr(source)

    def test_tube_voltage_of_an_enhanced_ct(self, tmp_path: Path) -> None:
        assert read_dicom(write_enhanced(tmp_path / "ct.dcm")).source.kvp == 100.0

    def test_no_single_tube_voltage_in_dual_energy(self, tmp_path: Path) -> None:
        def edit(dataset: FileDataset, n: int) -> None:
            dataset.KVP = (80, 140)[n % 2]

        assert read_dicom(write_slices(tmp_path, edit=edit)).source.kvp is None
