"""DICOM Segmentation objects (PS3.3 A.51, and A.51.5 for label maps): masks of named segments, frame by frame."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import torch
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from torch import Tensor

from deepdrr._door import shown
from deepdrr.data.dicom._deflated import check_deflated
from deepdrr.data.dicom._tags import damage_as_sentence, numbers, optional_number, quiet, text
from deepdrr.geometry import RAS_FROM_LPS, check_affine

__all__ = ["DicomSegment", "read_segmentation"]

_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
# A frame may lie this part of the step beside its place in the even stack.
_PLACE_TOLERANCE_STEPS = 0.1
_COSINE_TOLERANCE = 1e-3
# A whole body in slices of 0.1 mm has 20,000.
_MOST_SLICES = 20_000


@dataclass(frozen=True, eq=False)
class DicomSegment:
    """One segment: its number and label in the file, and its mask [I, J, K]."""

    number: int
    name: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Frame:
    position: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    spacing: tuple[float, float]
    step_mm: float | None
    segment: int | None


def read_segmentation(file: Path) -> tuple[tuple[DicomSegment, ...], Tensor]:
    """Read a DICOM SEG file: binary, fractional (half of the maximum and more are inside) or a label map.

    Frames that are left out, as most writers do with empty ones, are empty. Frames must lie on an even stack.

    Args:
        file: the file.

    Returns:
        The segments, and the affine of their grid to RAS mm, float64 [4, 4].

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is another object, damaged, or its frames are not an even stack.
    """
    with quiet(), damage_as_sentence(file, "is a damaged DICOM segmentation"):
        return _segments(file)


def _segments(file: Path) -> tuple[tuple[DicomSegment, ...], Tensor]:
    dataset = _read(file)
    groups = enumerate(_groups(dataset, file), 1)
    frames = [_frame(dataset, places, f"frame {n} of '{file}'") for n, places in groups]
    stored = _stored(dataset, file, len(frames))
    places, affine = _stack(frames, file)
    names = {int(item.SegmentNumber): text(item, "SegmentLabel") for item in dataset.get("SegmentSequence") or ()}
    shape = (stored.shape[2], stored.shape[1], max(places) + 1)
    is_label_map = str(dataset.SOPClassUID) == _LABEL_MAP
    segments = []
    for number, name in sorted(names.items()):
        mask = np.zeros(shape, dtype=bool)
        for frame, place, plane in zip(frames, places, stored, strict=True):
            if is_label_map:
                mask[:, :, place] |= (plane == number).T
            elif frame.segment == number:
                mask[:, :, place] |= _inside(plane, dataset).T
        segments.append(DicomSegment(number, name, mask))
    return tuple(segments), affine


def _read(file: Path) -> FileDataset:
    with file.open("rb") as stream:
        check_deflated(file, stream)
    try:
        dataset = pydicom.dcmread(file)
    except InvalidDicomError:
        raise ValueError(f"'{file}' is no DICOM file") from None
    if text(dataset, "SOPClassUID") not in (_SEGMENTATION, _LABEL_MAP):
        name = getattr(dataset.get("SOPClassUID"), "name", "") or "an unknown kind"
        raise ValueError(f"labels in DICOM must be a Segmentation (SEG), '{file}' is {shown(name)[1:-1]}")
    return dataset


def _groups(dataset: FileDataset, file: Path) -> Iterator[tuple[Dataset, ...]]:
    """For each frame the items in which its tags are looked up: its own, then the shared ones."""
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if not frames:
        raise ValueError(f"'{file}' is a segmentation without frames")
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    common = tuple(item for group in list(shared)[:1] for item in _items(group))
    for group in frames:
        yield (*_items(group), *common)


def _items(group: Dataset) -> Iterator[Dataset]:
    for element in group:
        if element.VR == "SQ" and element.value:
            yield element.value[0]


def _frame(dataset: FileDataset, places: tuple[Dataset, ...], where: str) -> _Frame:
    def holder(keyword: str) -> Dataset:
        return next((place for place in places if keyword in place), dataset)

    orientation = numbers(holder("ImageOrientationPatient"), "ImageOrientationPatient", 6, where)
    down, across = numbers(holder("PixelSpacing"), "PixelSpacing", 2, where)
    segment = optional_number(holder("ReferencedSegmentNumber"), "ReferencedSegmentNumber", where)
    return _Frame(
        np.array(numbers(holder("ImagePositionPatient"), "ImagePositionPatient", 3, where)),
        np.array(orientation[:3]),
        np.array(orientation[3:]),
        (across, down),
        _step_mm(holder, where),
        None if segment is None else int(segment),
    )


def _step_mm(holder: Callable[[str], Dataset], where: str) -> float | None:
    """The distance of neighbouring slices, as the file states it."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        stated = optional_number(holder(keyword), keyword, where)
        if stated:
            return abs(stated)
    return None


def _stored(dataset: FileDataset, file: Path, count: int) -> NDArray[Any]:
    with damage_as_sentence(file, "has pixels that cannot be decoded"):
        pixels: NDArray[Any] = dataset.pixel_array
    stored = pixels.reshape((-1, *pixels.shape[-2:]))
    if len(stored) != count:
        raise ValueError(f"'{file}' describes the position of {count} frames, but holds {len(stored)}")
    return stored


def _inside(plane: NDArray[Any], dataset: FileDataset) -> NDArray[np.bool_]:
    if text(dataset, "SegmentationType").upper() != "FRACTIONAL":
        return np.asarray(plane > 0)
    return np.asarray(2 * plane.astype(np.float64) >= float(dataset.get("MaximumFractionalValue") or 255))


def _stack(frames: list[_Frame], file: Path) -> tuple[list[int], Tensor]:
    """The slice of each frame, from 0, and the affine of the stack."""
    first = frames[0]
    for frame in frames:
        turn = max(np.abs(frame.row - first.row).max(), np.abs(frame.column - first.column).max())
        if turn > _COSINE_TOLERANCE or not np.allclose(frame.spacing, first.spacing, rtol=1e-3, atol=0.0):
            raise ValueError(f"the frames of '{file}' must be alike in orientation and pixel spacing")
    normal = np.cross(first.row, first.column)
    along = np.array([(frame.position - first.position) @ normal for frame in frames])
    along -= along.min()
    # Frames may be sparse: the step is the stated one where all frames lie on it, else that of the nearest two.
    nearest = np.diff(np.unique(np.round(along, 3)))
    steps = [step for step in (first.step_mm, float(nearest.min()) if len(nearest) else 1.0) if step]
    even = [step for step in steps if np.abs(along / step - np.rint(along / step)).max() <= _PLACE_TOLERANCE_STEPS]
    if not even:
        raise ValueError(f"the frames of '{file}' must be an even stack, got steps from {nearest.min():.4g} mm up")
    step = even[0]
    slots = along / step
    last = int(np.rint(slots).max())
    if last >= _MOST_SLICES:
        raise ValueError(f"the frames of '{file}' must lie in at most {_MOST_SLICES} slices, got {last + 1}")
    lowest, highest = frames[int(np.argmin(along))], frames[int(np.argmax(along))]
    way = (highest.position - lowest.position) / last if last else normal * step
    columns = [first.row * first.spacing[0], first.column * first.spacing[1], way, lowest.position]
    lps_from_ijk = np.eye(4)
    lps_from_ijk[:3] = np.stack(columns, axis=1)
    affine = check_affine(RAS_FROM_LPS @ torch.from_numpy(lps_from_ijk), f"the affine of '{file}'")
    return np.rint(slots).astype(int).tolist(), affine
