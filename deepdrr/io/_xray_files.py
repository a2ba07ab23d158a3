"""Read X-rays from files: pixels on the scale of line integrals, and the geometry in a DICOM header."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from deepdrr._door import check_file
from deepdrr.io._xray_header import XrayHeader, holders, read_header
from deepdrr.io._xray_intensity import meaning_of, measured_pixels
from deepdrr.io._xray_pixels import dicom_pixels, frame_index, numpy_pixels, picture_pixels
from deepdrr.io._xray_values import line_integrals_of

__all__ = ["Xray", "XrayValues", "read_xray"]

XrayValues = Literal["signal", "line_integrals", "bone_white", "bone_black"]

_PICTURES = (".png", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class Xray:
    """An X-ray image.

    Attributes:
        image: [H, W], float32, on the scale of line integrals: bone is bright. Factor and offset are unknown unless
            the file held line integrals.
        header: header of a DICOM file; empty for other formats.
        measured: [H, W], False where a DICOM file holds padding; None if there is none.
    """

    image: Tensor
    header: XrayHeader
    measured: Tensor | None = None


def read_xray(path: str | os.PathLike[str], values: XrayValues | None = None, *, frame: int | None = None) -> Xray:
    """Read one X-ray image.

    Args:
        path: an `.npy`, `.png`, `.tif` or `.tiff` file of one grey plane; any other file is read as DICOM.
        values: the meaning of a pixel: `"signal"` of the detector, linear in the intensity; `"line_integrals"`; or the
            grey of a picture, `"bone_white"` or `"bone_black"`. None: signal for `.npy` and floating-point TIFF, a
            picture with white bone for integers; in DICOM as Modality LUT and Pixel Intensity Relationship say. Of a
            DICOM picture the grey is that which a viewer shows (MONOCHROME1 turns the stored numbers round).
        frame: which of several frames or pages, from 1, as DICOM counts; needed where there are several.

    Returns:
        Pixels and header.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it does not hold a single grey image, or does not say what its values mean.

    Warns:
        UserWarning: if the file contradicts itself, or does not say which value is no beam.
    """
    if values is not None and values not in get_args(XrayValues):
        raise ValueError(f"values must be one of {', '.join(get_args(XrayValues))}, got {values!r}")
    file = check_file(path, "xray")
    suffix = file.suffix.lower()
    if suffix == ".npy":
        plane = _plane(_one_of(numpy_pixels(file), frame, file), file)
        return Xray(_attenuation(plane, values or "signal"), XrayHeader())
    if suffix in _PICTURES:
        plane = _plane(picture_pixels(file, frame), file)
        is_signal = plane.dtype.kind == "f"
        return Xray(_attenuation(plane, values or ("signal" if is_signal else "bone_white")), XrayHeader())
    return _dicom(file, values, frame)


def _one_of(array: Any, frame: int | None, file: Path) -> Any:
    """The frame that is meant, of an array [N, H, W]; others as they are."""
    if array.ndim != 3:
        return array
    return array[frame_index(frame, len(array), file)]


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


def _attenuation(plane: Any, values: str) -> Tensor:
    image = torch.from_numpy(plane.astype(np.float64))
    if values == "signal":
        image = line_integrals_of(image)
    return (-image if values == "bone_black" else image).float()


def _dicom(file: Path, values: XrayValues | None, frame: int | None) -> Xray:
    dataset, pixels, index, count = dicom_pixels(file, frame)
    stored, places = _plane(pixels, file), holders(dataset, index)
    measured = measured_pixels(places, stored)
    found, meaning = meaning_of(places, stored, values, file)
    if measured is not None:
        # The image's own numbers, so that padding is no open field; what is not measured is told apart by `measured`.
        found = np.where(measured, found, found[measured].max() if meaning == "signal" else found[measured].min())
    image = _attenuation(found, meaning)
    header = read_header(dataset, index, count, file)
    return Xray(image, header, None if measured is None else torch.from_numpy(measured))
