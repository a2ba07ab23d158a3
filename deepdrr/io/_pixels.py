"""The integers that a DICOM file stores for an image, and their meaning."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from deepdrr.display import Polarity, attenuation, automatic_window, display
from deepdrr.io._arrays import Array, Image, as_array, as_plane, is_float

__all__ = ["StoredPixels", "log_pixels", "picture_pixels", "signal_pixels"]

_TOP_16_BIT = 65535
_TOP_12_BIT = 4095


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Stored pixels and their relation to the intensity of the X-ray beam.

    Attributes:
        values: [H, W], uint8 or uint16.
        bits: bits stored.
        relationship: Pixel Intensity Relationship: `"LIN"`, `"LOG"` or `"DISP"` (a picture).
        sign: +1 if lower intensity has lower values, −1 if it has higher values.
        meaning: a sentence for the Derivation Description.
        to_linear: for LOG, a table [2**bits] of uint16 from stored values to values linear in the intensity.
        to_gray: for LIN and LOG, a table [65536] of uint16 from values linear in the intensity to a grey scale.
    """

    values: Array
    bits: int
    relationship: Literal["LIN", "LOG", "DISP"]
    sign: Literal[1, -1]
    meaning: str
    to_linear: Array | None = None
    to_gray: Array | None = None


def signal_pixels(
    image: Image, open_field: Image | float | None, polarity: Polarity, unit: str = "keV"
) -> StoredPixels:
    """The raw signal on a linear scale of 16 bits, with the smallest step of six digits that covers the image.

    Args:
        image: [H, W], signal per pixel. If electronic noise makes it negative, an offset is added to all values.
        open_field: signal without the patient, a number or [H, W], for the grey scale; None: the brightest thousandth.
        polarity: polarity of the grey scale.
        unit: unit of the image, for the description of a stored value.
    """
    signal = as_plane(image, kind="DICOM").astype(np.float64)
    low, high = min(0.0, float(signal.min())), max(0.0, float(signal.max()))
    step = _step(low, high)
    offset = int(np.ceil(-low / step))
    reference = float(np.percentile(signal, 99.9) if open_field is None else as_array(open_field).mean())
    reference = max(reference, step)
    intensity = step * (np.arange(_TOP_16_BIT + 1) - offset) / reference
    return StoredPixels(
        values=(np.rint(signal / step) + offset).astype(np.uint16),
        bits=16,
        relationship="LIN",
        sign=1,
        meaning=f"Stored value v is a signal of (v - {offset}) x {step:.6g} {unit} per pixel.",
        to_gray=_gray_scale(intensity, automatic_window(signal, open_field=reference), polarity),
    )


def log_pixels(image: Image, open_field: Image | float | None, polarity: Polarity) -> StoredPixels:
    """The logarithm of the signal on a scale of 12 bits: the resolution is the same behind bone and beside it.

    Args:
        image: [H, W], keV per pixel.
        open_field: signal without the patient, a number or [H, W]; None: the brightest thousandth of the image.
        polarity: polarity of the grey scale.
    """
    plane = as_plane(image, kind="DICOM")
    dense = attenuation(plane, open_field)
    low, high = float(dense.min()), float(dense.max())
    step = max(high - low, 1e-3) / _TOP_12_BIT
    table = np.rint(_TOP_16_BIT * np.exp(-step * np.arange(_TOP_12_BIT + 1))).astype(np.uint16)
    intensity = np.exp(-low) * np.arange(_TOP_16_BIT + 1) / _TOP_16_BIT
    return StoredPixels(
        values=np.rint((dense - low) / step).astype(np.uint16),
        bits=12,
        relationship="LOG",
        sign=-1,
        meaning=f"Stored value v is an attenuation -ln(I/I0) of {low:.6g} + v x {step:.9g}.",
        to_linear=table,
        to_gray=_gray_scale(intensity, automatic_window(plane, open_field=open_field), polarity),
    )


def picture_pixels(image: Image, polarity: Polarity) -> StoredPixels:
    """A picture made by `deepdrr.display`, with unchanged values.

    Args:
        image: [H, W], uint8 or uint16.
        polarity: `"bone_white"` or `"bone_black"`, as given to `deepdrr.display.display`.

    Raises:
        ValueError: if the image is not such a picture, or the polarity is unknown.
    """
    plane = as_plane(image, kind="a DICOM picture")
    if is_float(plane) or plane.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image must be uint8 or uint16 to be a picture, got {plane.dtype}; deepdrr.display makes one")
    if polarity not in ("bone_white", "bone_black"):
        raise ValueError(f"polarity must be one of bone_white, bone_black, got {polarity!r}")
    bits = 8 * plane.dtype.itemsize
    return StoredPixels(
        values=plane,
        bits=bits,
        relationship="DISP",
        sign=-1 if polarity == "bone_white" else 1,
        meaning="Stored values are a picture: logarithm, window and grey scale are applied.",
    )


def _step(low: float, high: float) -> float:
    """The smallest step of six significant digits with which [low, high], rounded, fits in 16 bits."""
    needed = max(high - low, 1e-30) / (_TOP_16_BIT - 1)
    digit = 10.0 ** (np.floor(np.log10(needed)) - 5)
    return float(f"{np.ceil(needed / digit) * digit:.6g}")


def _gray_scale(intensity: Array, window: tuple[float, float], polarity: Polarity) -> Array:
    """The table of a VOI LUT: grey values [65536] for intensities relative to the open field."""
    darkest = float(intensity[intensity > 0][0])
    dense = -np.log(np.maximum(intensity, darkest))
    thin, thick = window[0], max(window[1], window[0] + 1e-3)
    scale = display(dense[None], quantity="attenuation", window=(thin, thick), polarity=polarity, dtype="uint16")
    return scale.reshape(-1)
