"""Writes synthetic CT series: a phantom that is a formula of the anatomical point, in the shapes DICOM knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
FRAME_OF_REFERENCE = "1.2.3.4.5"

Edit = Callable[[FileDataset, int], None]


@dataclass(frozen=True)
class Grid:
    """Where voxels lie: LPS mm from i (along a row), j (down a column), k (from slice to slice)."""

    shape: tuple[int, int, int] = (6, 5, 4)
    origin: tuple[float, float, float] = (-40.0, 25.0, 100.0)
    row: tuple[float, float, float] = (1.0, 0.0, 0.0)
    column: tuple[float, float, float] = (0.0, 1.0, 0.0)
    step: tuple[float, float, float] = (0.0, 0.0, 2.5)
    spacing: tuple[float, float] = (0.75, 1.25)  # along a row, down a column

    @property
    def lps_from_ijk(self) -> NDArray[np.float64]:
        affine = np.eye(4)
        affine[:3, 0] = np.multiply(self.row, self.spacing[0])
        affine[:3, 1] = np.multiply(self.column, self.spacing[1])
        affine[:3, 2] = self.step
        affine[:3, 3] = self.origin
        return affine

    @property
    def ras_from_ijk(self) -> NDArray[np.float64]:
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.lps_from_ijk

    def position(self, k: float) -> NDArray[np.float64]:
        return np.array(self.origin) + k * np.array(self.step)

    def phantom(self) -> NDArray[np.float64]:
        return phantom_at(self.ras_from_ijk, self.shape)


def phantom_at(ras_from_ijk: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """HU of the phantom at every voxel: linear in the RAS point, so that linear interpolation is exact."""
    ijk = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    points = ijk @ ras_from_ijk[:3, :3].T + ras_from_ijk[:3, 3]
    return points @ np.array([3.0, -2.0, 5.0]) - 300.0


def write_slices(
    folder: Path,
    grid: Grid = Grid(),
    *,
    places: Sequence[float] | None = None,
    rescale: Callable[[int], tuple[float, float]] = lambda k: (0.25, -1024.0),
    edit: Edit = lambda dataset, k: None,
    series_uid: str = "1.2.3.1",
) -> Path:
    """One file for each slice.

    Args:
        folder: where; made if it is not there.
        grid: of the phantom.
        places: k of each slice, also fractions; all of the grid by default.
        rescale: slope and intercept of slice number n.
        edit: changes the data set of slice number n before it is written.
        series_uid: SeriesInstanceUID.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for n, k in enumerate(range(grid.shape[2]) if places is None else places):
        dataset = _base(CT, series_uid)
        affine = grid.lps_from_ijk
        affine[:3, 3] = grid.position(k)
        hu = phantom_at(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, (*grid.shape[:2], 1))[:, :, 0]
        slope, intercept = rescale(n)
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        _set_pixels(dataset, [(hu - intercept) / slope])
        dataset.ImagePositionPatient = _short(grid.position(k))
        dataset.ImageOrientationPatient = _short([*grid.row, *grid.column])
        dataset.PixelSpacing = [grid.spacing[1], grid.spacing[0]]
        dataset.InstanceNumber = n + 1
        edit(dataset, n)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        pydicom.dcmwrite(folder / f"slice{n:03d}.dcm", dataset, enforce_file_format=True)
    return folder


def write_enhanced(
    file: Path,
    grid: Grid = Grid(),
    *,
    places: Sequence[float] | None = None,
    rescale: Callable[[int], tuple[float, float]] | tuple[float, float] = (0.25, -1024.0),
    edit: Edit = lambda dataset, k: None,
) -> Path:
    """All slices in one multi-frame file; a function for `rescale` puts it into each frame, a pair is shared."""
    dataset = _base(ENHANCED_CT, "1.2.3.2")
    shared, frames, stored = Dataset(), [], []
    _put(shared, "PlaneOrientationSequence", ImageOrientationPatient=_short([*grid.row, *grid.column]))
    _put(shared, "PixelMeasuresSequence", PixelSpacing=[grid.spacing[1], grid.spacing[0]], SliceThickness=2.5)
    _put(shared, "CTXRayDetailsSequence", KVP=100)
    if isinstance(rescale, tuple):
        _put_rescale(shared, rescale)
    for n, k in enumerate(range(grid.shape[2]) if places is None else places):
        frame = Dataset()
        _put(frame, "PlanePositionSequence", ImagePositionPatient=_short(grid.position(k)))
        slope, intercept = rescale if isinstance(rescale, tuple) else rescale(n)
        if not isinstance(rescale, tuple):
            _put_rescale(frame, (slope, intercept))
        affine = grid.lps_from_ijk
        affine[:3, 3] = grid.position(k)
        hu = phantom_at(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, (*grid.shape[:2], 1))[:, :, 0]
        stored.append((hu - intercept) / slope)
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    dataset.PerFrameFunctionalGroupsSequence = Items(frames)
    dataset.NumberOfFrames = len(frames)
    del dataset.KVP
    _set_pixels(dataset, stored)
    edit(dataset, 0)
    file.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file


def compress_by_gdcm(file: Path, syntax: str) -> None:
    """Compress a file's pixels in place, as JPEG Lossless for instance, which pydicom cannot write."""
    import gdcm

    dataset = pydicom.dcmread(file)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(file))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(file))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    # Only the pixels are taken over: GDCM rewrites the positions of frames as it understands them.
    dataset.PixelData = pydicom.dcmread(file).PixelData
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)


def _base(sop_class: str, series_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesInstanceUID = series_uid
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = "Pelvis 2.5 B30s"
    dataset.FrameOfReferenceUID = FRAME_OF_REFERENCE
    dataset.KVP = 120
    dataset.PatientName, dataset.PatientID, dataset.StudyDate = "Secret^Name", "ID-4711", "19991231"
    return dataset


def _set_pixels(dataset: FileDataset, stored: Sequence[NDArray[np.float64]]) -> None:
    """Pixels of slices [i, j] as 16-bit rows and columns."""
    frames = np.stack([np.rint(s).astype(np.int16).T for s in stored])
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.PixelData = frames.tobytes()


def _put(group: Dataset, sequence: str, **tags: object) -> None:
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    setattr(group, sequence, Items([item]))


def _put_rescale(group: Dataset, rescale: tuple[float, float]) -> None:
    _put(
        group,
        "PixelValueTransformationSequence",
        RescaleSlope=rescale[0],
        RescaleIntercept=rescale[1],
        RescaleType="HU",
    )


def _short(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    """Decimal strings as scanners write them, at most 16 characters."""
    return [pydicom.valuerep.format_number_as_ds(float(np.round(v, 12))) for v in values]
