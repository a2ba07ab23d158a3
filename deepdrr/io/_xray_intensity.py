"""What the stored numbers of an X-ray in DICOM mean: Modality LUT, intensity relationship, polarity, padding."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepdrr.io._xray_header import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

__all__ = ["meaning_of", "measured_pixels"]

Plane = NDArray[Any]


def meaning_of(places: "Sequence[Dataset]", stored: Plane, values: str | None, file: Path) -> tuple[Plane, str]:
    """Numbers of the pixels, and what they are: `"signal"`, `"line_integrals"`, `"bone_white"` or `"bone_black"`.

    Modality LUT (PS3.3 C.11.1) and Pixel Intensity Relationship (C.8.7.1.1.2, C.8.11.3.1.2) say it. The caller's
    word goes first: of a picture it means the grey that a viewer shows, which MONOCHROME1 turns round.

    Args:
        places: where tags are looked up.
        stored: stored numbers [H, W].
        values: the caller's word, or None.
        file: for errors.

    Raises:
        ValueError: if neither says it.
    """
    if values is not None:
        turned = values in ("bone_white", "bone_black") and _photometric(places) == "MONOCHROME1"
        return (-stored.astype(np.float64) if turned else stored), values
    if table := value_of(places, "ModalityLUTSequence"):  # maps to values linear in the intensity
        return _looked_up(table[0], stored), "signal"
    relationship = str(value_of(places, "PixelIntensityRelationship") or "").upper()
    sign = value_of(places, "PixelIntensityRelationshipSign")
    if relationship == "LIN":
        return _linear(places, stored, -1 if sign == -1 else 1, file), "signal"
    if sign in (-1, 1):
        return stored, "bone_white" if sign == -1 else "bone_black"
    raise ValueError(
        f"'{file}' does not say what its values are (Pixel Intensity Relationship {relationship or 'missing'}, "
        f"sign missing, {_photometric(places) or 'no photometric interpretation'}): give values, signal, "
        "line_integrals, or how a viewer shows it, bone_white or bone_black"
    )


def measured_pixels(places: "Sequence[Dataset]", stored: Plane) -> NDArray[np.bool_] | None:
    """Where there is no padding [H, W], None if there is none anywhere (PS3.3 C.7.5.1.1.2)."""
    first = value_of(places, "PixelPaddingValue")
    if first is None:
        return None
    last = value_of(places, "PixelPaddingRangeLimit")
    ends = [_as_stored(places, float(v)) for v in (first, first if last is None else last)]
    measured: NDArray[np.bool_] = (stored < min(ends)) | (stored > max(ends))
    return None if measured.all() or not measured.any() else measured


def _linear(places: "Sequence[Dataset]", stored: Plane, sign: int, file: Path) -> Plane:
    """The signal of stored numbers that are linear in it: falling with it for a sign of −1.

    The rescale is applied. Where the result falls with the signal, or is negative, its zero is that of the end of the
    stored scale, as detectors turn their numbers round.
    """
    slope, intercept = (float(_number(places, name, usual)) for name, usual in _RESCALE)
    found = slope * stored.astype(np.float64) + intercept
    rises = sign * slope > 0.0
    if rises and found.min() >= 0.0:
        return found
    low, high = _stored_range(places)
    ends = sorted((slope * low + intercept, slope * high + intercept))
    zero = ends[0] if rises else ends[1]
    warnings.warn(
        f"'{file}' does not say which of its values is no beam ({'negative values' if rises else 'sign −1'}): "
        f"{zero:g}, the end of its scale, is taken; values='bone_white' or 'bone_black' takes it as a picture",
        UserWarning,
        stacklevel=2,
    )
    return found - zero if rises else zero - found


_RESCALE = (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))


def _number(places: "Sequence[Dataset]", keyword: str, usual: float) -> float:
    value = value_of(places, keyword)
    return usual if value is None else float(value)


def _stored_range(places: "Sequence[Dataset]") -> tuple[int, int]:
    bits = int(value_of(places, "BitsStored") or value_of(places, "BitsAllocated") or 16)
    low = -(1 << (bits - 1)) if value_of(places, "PixelRepresentation") else 0
    return low, low + (1 << bits) - 1


def _as_stored(places: "Sequence[Dataset]", value: float) -> float:
    """A padding value as the pixels hold it: writers mix up its sign, 63488 for −2048."""
    bits = int(value_of(places, "BitsAllocated") or 16)
    signed = bool(value_of(places, "PixelRepresentation"))
    if signed and value >= 1 << (bits - 1):
        return value - (1 << bits)
    return value + (1 << bits) if value < 0.0 and not signed else value


def _photometric(places: "Sequence[Dataset]") -> str:
    return str(value_of(places, "PhotometricInterpretation") or "").strip().upper()


def _looked_up(item: "Dataset", stored: Plane) -> Plane:
    _, first, bits = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    table = np.frombuffer(data, "<u2" if bits > 8 else "u1") if isinstance(data, bytes) else np.asarray(data)
    return table[np.clip(stored.astype(np.int64) - first, 0, len(table) - 1)]
