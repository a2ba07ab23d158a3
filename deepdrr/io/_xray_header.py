"""The geometry in the header of an X-ray: XA and DX, cine, rotational runs, and Enhanced XA."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepdrr._door import shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["XrayHeader", "holders", "read_header", "value_of"]

# Distances are rounded to a millimetre or a centimetre: 1 % of the magnification.
_SAME_MAGNIFICATION = 0.03
# Steps of a rotation at an even pace differ by less than this part of their mean.
_EVEN_STEPS = 0.25


@dataclass(frozen=True)
class XrayHeader:
    """The geometry of an X-ray in a DICOM header; values that the header lacks are None.

    Attributes:
        sdd_mm, sid_mm: distances from source to detector and to the isocenter, mm.
        pixel_spacing_mm: distance between rows and between columns on the detector, mm.
        positioner_angles_deg: primary and secondary angle, degrees; of a rotational run, those of the frame.
        patient_orientation: direction of the rows and of the columns in the patient, e.g. `("L", "F")`.
    """

    sdd_mm: float | None = None
    sid_mm: float | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    positioner_angles_deg: tuple[float, float] | None = None
    patient_orientation: tuple[str, str] | None = None


def holders(dataset: "Dataset", index: int) -> "list[Dataset]":
    """Where tags of a frame are looked up, in order: its functional groups, the shared ones (Enhanced XA), the file."""
    per_frame = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())[index : index + 1]
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    return [item for group in (*per_frame, *shared) for item in _items(group)] + [dataset]


def value_of(places: "Sequence[Dataset]", *keywords: str) -> Any:
    """The first value that is there, None if there is none."""
    for keyword in keywords:
        for place in places:
            value = place.get(keyword)
            if value is not None and value != "":
                return value
    return None


def read_header(dataset: "Dataset", index: int, count: int, file: Path) -> XrayHeader:
    """The geometry of one frame.

    Args:
        dataset: the file.
        index: the frame, from 0.
        count: how many there are.
        file: for errors.

    Raises:
        ValueError: if a tag holds what is no number, or increments of the angles are not as many as frames.
    """
    places = holders(dataset, index)

    def numbers(*keywords: str) -> tuple[float, ...]:
        return _numbers(value_of(places, *keywords), keywords[0], file)

    spacing = numbers("ImagerPixelSpacing")
    angles = [numbers(f"Positioner{which}Angle") for which in ("Primary", "Secondary")]
    turns = [_turned(dataset, which, index, count, file) for which in ("Primary", "Secondary")]
    orientation = [str(word) for word in value_of(places, "PatientOrientation") or ()]
    header = XrayHeader(
        sdd_mm=_one(numbers("DistanceSourceToDetector")),
        sid_mm=_one(numbers("DistanceSourceToPatient", "DistanceSourceToIsocenter")),
        pixel_spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 else None,
        positioner_angles_deg=(angles[0][0] + turns[0], angles[1][0] + turns[1])
        if all(len(angle) == 1 for angle in angles)
        else None,
        patient_orientation=(orientation[0], orientation[1]) if len(orientation) == 2 and all(orientation) else None,
    )
    _check_magnification(header, _one(numbers("EstimatedRadiographicMagnificationFactor")), file)
    return header


def _items(group: "Dataset") -> "list[Dataset]":
    """All items within a functional group, however deep, the outer ones first."""
    found = []
    for element in group:
        if element.VR == "SQ" and element.value:
            found += [element.value[0], *_items(element.value[0])]
    return found


def _turned(dataset: "Dataset", which: str, index: int, count: int, file: Path) -> float:
    """How far the positioner has turned at a frame, degrees; 0 where it does not move.

    Of a run at an even pace writers give the step from frame to frame, or the way from the first frame (PS3.3 C.8.7.5).
    The former is nearly one number, the latter grows.
    """
    keyword = f"Positioner{which}AngleIncrement"
    increments = np.array(_numbers(dataset.get(keyword), keyword, file))
    if not increments.size or not increments.any():
        return 0.0
    if increments.size == 1:
        return float(increments[0]) * index
    if increments.size != count:
        raise ValueError(f"{keyword} of '{file}' must hold a number for each of {count} frames, got {increments.size}")
    steps = increments[1:]
    if np.abs(steps - steps.mean()).max() <= _EVEN_STEPS * abs(float(steps.mean())) and count > 2:
        return float(steps[:index].sum())
    return float(increments[index])


def _check_magnification(header: XrayHeader, stated: float | None, file: Path) -> None:
    if not stated or not header.sdd_mm or not header.sid_mm:
        return
    found = header.sdd_mm / header.sid_mm
    if abs(found - stated) > _SAME_MAGNIFICATION * found:
        warnings.warn(
            f"'{file}' contradicts itself: its distances, which are taken, magnify {found:.3g} times, it states a "
            f"magnification of {stated:.3g}",
            UserWarning,
            stacklevel=2,
        )


def _one(numbers: tuple[float, ...]) -> float | None:
    return numbers[0] if len(numbers) == 1 else None


def _numbers(value: Any, keyword: str, file: Path) -> tuple[float, ...]:
    """The numbers of a tag; empty if the tag is missing or empty."""
    if value is None or value == "":
        return ()
    try:
        found = tuple(
            float(v) for v in (value if hasattr(value, "__len__") and not isinstance(value, str) else [value])
        )
    except (TypeError, ValueError):
        found = (math.nan,)
    if not all(math.isfinite(v) for v in found):
        raise ValueError(f"{keyword} of '{file}' must hold finite numbers, got {shown(str(value))}")
    return found
