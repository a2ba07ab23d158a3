"""Read X-rays from files: pixels on the scale of line integrals, and the geometry in a DICOM header."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from deepdrr._door import check_file, shown
from deepdrr.io._xray_pixels import dicom_pixels, numpy_pixels, picture_pixels
from deepdrr.io._xray_values import line_integrals_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Xray", "XrayHeader", "XrayValues", "read_xray"]

XrayValues = Literal["signal", "line_integrals", "bone_white", "bone_black"]

_PICTURES = (".png", ".tif", ".tiff")


@dataclass(frozen=True)
class XrayHeader:
    """The geometry of an X-ray in a DICOM header; values that the header lacks are None.

    Attributes:
        sdd_mm, sid_mm: distances from source to detector and to the isocenter, mm.
        pixel_spacing_mm: distance between rows and between columns on the detector, mm.
        positioner_angles_deg: primary and secondary angle, degrees.
        patient_orientation: direction of the rows and of the columns in the patient, e.g. `("L", "F")`.
    """

    sdd_mm: float | None = None
    sid_mm: float | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    positioner_angles_deg: tuple[float, float] | None = None
    patient_orientation: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Xray:
    """An X-ray image.

    Attributes:
        image: [H, W], float32, on the scale of line integrals: bone is bright. Factor and offset are unknown unless
            the file held line integrals.
        header: header of a DICOM file; empty for other formats.
    """

    image: Tensor
    header: XrayHeader


def read_xray(path: str | os.PathLike[str], values: XrayValues | None = None) -> Xray:
    """Read one X-ray image.

    Args:
        path: an `.npy`, `.png`, `.tif` or `.tiff` file of one grey plane; any other file is read as DICOM.
        values: the meaning of a pixel: `"signal"` of the detector, linear in the intensity; `"line_integrals"`; or the
            grey of a picture, `"bone_white"` or `"bone_black"`. None: signal for `.npy` and floating-point TIFF, a
            picture with white bone for integers; in DICOM as Modality LUT and Pixel Intensity Relationship say.

    Returns:
        Pixels and header.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it does not hold a single grey image, or does not say what its values mean.
    """
    if values is not None and values not in get_args(XrayValues):
        raise ValueError(f"values must be one of {', '.join(get_args(XrayValues))}, got {values!r}")
    file = check_file(path, "xray")
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return Xray(_attenuation(_plane(numpy_pixels(file), file), values or "signal"), XrayHeader())
    if suffix in _PICTURES:
        plane = _plane(picture_pixels(file), file)
        is_signal = plane.dtype.kind == "f"
        return Xray(_attenuation(plane, values or ("signal" if is_signal else "bone_white")), XrayHeader())
    return _dicom(file, values)


def _plane(array: Any, file: Path) -> Any:
    """One grey plane of numbers; leading axes of length 1 are dropped."""
    plane = array.reshape(array.shape[-2:]) if array.ndim > 2 and array.size == math.prod(array.shape[-2:]) else array
    if plane.ndim != 2 or min(plane.shape) < 2:
        raise ValueError(f"an X-ray must be one grey image [H, W], '{file}' holds shape {array.shape}")
    if plane.dtype.kind not in "uif":
        raise ValueError(f"an X-ray must hold real numbers, '{file}' holds {plane.dtype}")
    if not np.isfinite(plane).all():
        raise ValueError(
            f"an X-ray must be finite, '{file}' holds {np.count_nonzero(~np.isfinite(plane))} other pixels"
        )
    return plane


def _attenuation(plane: Any, values: XrayValues) -> Tensor:
    image = torch.from_numpy(plane.astype(np.float64))
    if values == "signal":
        image = line_integrals_of(image)
    return (-image if values == "bone_black" else image).float()


def _dicom(file: Path, values: XrayValues | None) -> Xray:
    dataset, pixels = dicom_pixels(file)
    stored = _plane(pixels, file)
    return Xray(_dicom_attenuation(dataset, stored, values, file), _header(dataset, file))


def _dicom_attenuation(dataset: "Dataset", stored: Any, values: XrayValues | None, file: Path) -> Tensor:
    """Apply Modality LUT (PS3.3 C.11.1) and Pixel Intensity Relationship (C.8.7.1.1.2, C.8.11.3.1.2)."""
    if values is not None:
        return _attenuation(stored, values)
    if dataset.get("ModalityLUTSequence"):  # maps to values linear in the intensity
        return _attenuation(_looked_up(dataset.ModalityLUTSequence[0], stored), "signal")
    relationship = str(dataset.get("PixelIntensityRelationship", "")).upper()
    if relationship == "LIN":
        return _attenuation(stored, "signal")
    sign = dataset.get("PixelIntensityRelationshipSign")
    if sign in (-1, 1):
        return _attenuation(stored, "bone_white" if sign == -1 else "bone_black")
    raise ValueError(
        f"'{file}' does not say what its values are (Pixel Intensity Relationship {relationship or 'missing'}): "
        "give values, signal, line_integrals, bone_white or bone_black"
    )


def _looked_up(item: "Dataset", stored: Any) -> Any:
    _, first, bits = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    table = np.frombuffer(data, "<u2" if bits > 8 else "u1") if isinstance(data, bytes) else np.asarray(data)
    return table[np.clip(stored.astype(np.int64) - first, 0, len(table) - 1)]


def _header(dataset: "Dataset", file: Path) -> XrayHeader:
    spacing = _numbers(dataset, "ImagerPixelSpacing", file)
    angles = [_numbers(dataset, f"Positioner{which}Angle", file) for which in ("Primary", "Secondary")]
    orientation = [str(word) for word in dataset.get("PatientOrientation") or ()]
    return XrayHeader(
        sdd_mm=_one(_numbers(dataset, "DistanceSourceToDetector", file)),
        sid_mm=_one(_numbers(dataset, "DistanceSourceToPatient", file)),
        pixel_spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 else None,
        positioner_angles_deg=(angles[0][0], angles[1][0]) if all(len(angle) == 1 for angle in angles) else None,
        patient_orientation=(orientation[0], orientation[1]) if len(orientation) == 2 and all(orientation) else None,
    )


def _one(numbers: tuple[float, ...]) -> float | None:
    return numbers[0] if len(numbers) == 1 else None


def _numbers(dataset: "Dataset", keyword: str, file: Path) -> tuple[float, ...]:
    """The numbers of a tag; empty if the tag is missing or empty."""
    value = dataset.get(keyword)
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
