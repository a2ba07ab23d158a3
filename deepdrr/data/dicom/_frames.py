"""One slice of a CT as DICOM describes it, from a classic single slice or a frame of an Enhanced CT."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from deepdrr.data.dicom._files import Header
from deepdrr.data.dicom._tags import number, numbers, optional_number, text, words

__all__ = ["NOT_HU", "DicomFrame", "frames_of"]

# Values of ImageType and FrameType (PS3.3 C.7.6.1, C.8.15.3, C.8.16.1, and vendors' own) of pictures that are
# computed from a CT and do not hold Hounsfield units of the tissue at the voxel.
_NOT_HU_WORDS = (
    "LOCALIZER MIP MINIP PROJECTION VRT SSD PERFUSION RCBF RCBV CBF CBV MTT TTP TMAX MAT_SPECIFIC MAT_FRACTIONAL "
    "MAT_VALUE_BASED EFF_ATOMIC_NUM ELECTRON_DENSITY MAXIMUM MINIMUM STD_DEVIATION SUBTRACTION DIVISION "
    "MULTIPLICATION DOSE_INFO"
)
NOT_HU = frozenset(_NOT_HU_WORDS.split()) | {"PROJECTION IMAGE", "SCREEN SAVE", "SCREEN SHOT"}

# RescaleType (PS3.3 C.11.1.1.2), its letters: Hounsfield units, or unspecified as writers put it into plain CT.
_HU_TYPES = frozenset(
    [
        "",
        "HU",
        "HUS",
        "HUMOD",
        "HUNIT",
        "HUNITS",
        "HOUNSFIELDUNITSHU",
        "HOUNSFIELDUNITHU",
        "US",
        "UNSPECIFIED",
        "NONE",
        "UNKNOWN",
        "NA",
        "CT",
        "CTNUMBER",
    ]
)

# Direction cosines are written with 3 to 8 decimals; 1e-3 radian moves a voxel 250 mm from the corner by 0.25 mm.
_COSINE_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class DicomFrame:
    """One CT slice: where it lies and how its stored numbers become Hounsfield units.

    Attributes:
        header: the file.
        index: number of the frame in the file, from 0.
        shape: rows, columns.
        position: centre of the first pixel, LPS mm [3].
        row: unit vector along a row, in which the column index grows, LPS [3].
        column: unit vector down a column, in which the row index grows, LPS [3].
        spacing: distance of neighbouring pixels along `row` and along `column` (mm).
        rescale: slope and intercept, HU = slope · stored + intercept.
        padding: first and last stored number that mark pixels outside the scanner's field of view, or None.
        acquisition: acquisition number, "" where the file states none.
        phase: temporal position, "" where the file states none.
        kvp: tube voltage (kV), None where the file states none.
    """

    header: Header
    index: int
    shape: tuple[int, int]
    position: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    spacing: tuple[float, float]
    rescale: tuple[float, float]
    padding: tuple[float, float] | None
    acquisition: str
    phase: str
    kvp: float | None

    @property
    def name(self) -> str:
        """The file, and the frame's number where the file holds several."""
        multiple = "PerFrameFunctionalGroupsSequence" in self.header.dataset
        return f"frame {self.index + 1} of '{self.header.path}'" if multiple else f"'{self.header.path}'"


def frames_of(headers: Iterable[Header]) -> Iterator[DicomFrame]:
    """The slices in files.

    Args:
        headers: CT files.

    Raises:
        ValueError: if a tag that a slice needs is missing, malformed, or says that the values are not HU.
    """
    last: DicomFrame | None = None
    for header in headers:
        if last is not None and header.alike is not None and header.alike == last.header.alike:
            # Thousands of slices differ in their position only: the rest is not looked up again.
            yield replace(last, header=header, position=_position(header.dataset, f"'{header.path}'"))
            continue
        for frame in _frames_in(header):
            yield frame
            last = frame


def _position(dataset: Dataset, where: str) -> NDArray[np.float64]:
    return np.array(numbers(dataset, "ImagePositionPatient", 3, where))


def _frames_in(header: Header) -> Iterator[DicomFrame]:
    dataset = header.dataset
    where = f"'{header.path}'"
    count = optional_number(dataset, "NumberOfFrames", where)
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not groups and (count or 1) == 1:
        yield _frame(header, 0, (dataset,), where)
        return
    if len(groups) != count:
        raise ValueError(f"{where} states {count or 0:g} frames but describes the position of {len(groups)} of them")
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    common = tuple(item for group in shared for item in _items(group))
    for index, group in enumerate(groups):
        yield _frame(header, index, (*_items(group), *common, dataset), f"frame {index + 1} of {where}")


def _items(group: Dataset) -> Iterator[Dataset]:
    """The single items of the macros in a functional group: PixelMeasuresSequence[0] and the like."""
    for element in group:
        if element.VR == "SQ" and element.value:
            yield element.value[0]


def _frame(header: Header, index: int, places: tuple[Dataset, ...], where: str) -> DicomFrame:
    """A slice whose tags are looked up in `places` in order: this frame's macros, the shared ones, the data set."""

    def holder(keyword: str) -> Dataset:
        return next((place for place in places if keyword in place), header.dataset)

    _check_is_hu(holder, where)
    orientation = numbers(holder("ImageOrientationPatient"), "ImageOrientationPatient", 6, where)
    row, column = _directions(orientation, where)
    down, across = numbers(holder("PixelSpacing"), "PixelSpacing", 2, where)
    if min(down, across) <= 0.0:
        raise ValueError(f"PixelSpacing of {where} must be two lengths above 0 mm, got {down:g}\\{across:g}")
    enhanced = len(places) > 1
    acquisition = "FrameAcquisitionNumber" if enhanced else "AcquisitionNumber"
    phase = "TemporalPositionIndex" if enhanced else "TemporalPositionIdentifier"
    return DicomFrame(
        header=header,
        index=index,
        shape=_shape(header.dataset, where),
        position=_position(holder("ImagePositionPatient"), where),
        row=row,
        column=column,
        spacing=(across, down),
        rescale=_rescale(holder, where),
        padding=_padding(header.dataset, where),
        acquisition=text(holder(acquisition), acquisition),
        phase=text(holder(phase), phase),
        kvp=optional_number(holder("KVP"), "KVP", where) or None,
    )


def _check_is_hu(holder: Callable[[str], Dataset], where: str) -> None:
    flavour = sorted(NOT_HU.intersection(words(holder("FrameType"), "FrameType")))
    if flavour:
        raise ValueError(f"{where} has FrameType {flavour[0]}, which does not hold Hounsfield units")
    unit = text(holder("RescaleType"), "RescaleType")
    if not _means_hu(unit):
        raise ValueError(f"RescaleType of {where} must be HU (or absent), got {unit}: not a scan in Hounsfield units")


def _means_hu(unit: str) -> bool:
    """Whether a RescaleType is Hounsfield units in some spelling, or says nothing."""
    word = re.sub(r"[^A-Z]", "", unit.upper())
    if word in _HU_TYPES:
        return True
    return difflib.SequenceMatcher(None, word.removesuffix("S").removesuffix("UNIT"), "HOUNSFIELD").ratio() > 0.8


def _directions(orientation: tuple[float, ...], where: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two unit vectors of ImageOrientationPatient, freed from the rounding of their length."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    worst = max(abs(lengths[0] - 1.0), abs(lengths[1] - 1.0), abs(float(row @ column)))
    if worst > _COSINE_TOLERANCE:
        shown = "\\".join(f"{v:g}" for v in orientation)
        raise ValueError(f"ImageOrientationPatient of {where} must be two perpendicular unit vectors, got {shown}")
    return row / lengths[0], column / lengths[1]


def _shape(dataset: Dataset, where: str) -> tuple[int, int]:
    rows, columns = int(number(dataset, "Rows", where)), int(number(dataset, "Columns", where))
    if min(rows, columns) < 1:
        raise ValueError(f"{where} must have at least one row and column, got {rows} rows and {columns} columns")
    return rows, columns


def _rescale(holder: Callable[[str], Dataset], where: str) -> tuple[float, float]:
    slope, intercept = holder("RescaleSlope"), holder("RescaleIntercept")
    if "RescaleSlope" not in slope or "RescaleIntercept" not in intercept:
        raise ValueError(f"{where} has no RescaleSlope and RescaleIntercept: its Hounsfield units are not known")
    factor = number(slope, "RescaleSlope", where)
    if factor == 0.0:
        raise ValueError(f"RescaleSlope of {where} must not be 0")
    return factor, number(intercept, "RescaleIntercept", where)


def _padding(dataset: Dataset, where: str) -> tuple[float, float] | None:
    first = optional_number(dataset, "PixelPaddingValue", where)
    if first is None:
        return None
    last = optional_number(dataset, "PixelPaddingRangeLimit", where)
    ends = [_as_stored(dataset, v) for v in (first, first if last is None else last)]
    return min(ends), max(ends)


def _as_stored(dataset: Dataset, value: float) -> float:
    """A padding value as the pixels hold it: writers mix up its sign, 63488 for −2048."""
    bits = int(number(dataset, "BitsAllocated", "the header"))
    signed = bool(number(dataset, "PixelRepresentation", "the header"))
    if signed and value >= 1 << (bits - 1):
        return value - (1 << bits)
    return value + (1 << bits) if value < 0.0 and not signed else value
