"""The integers that a DICOM file stores for an image, and their meaning."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from deepdrr.display import Polarity, Processing, attenuation, automatic_window, display
from deepdrr.io._arrays import Array, Image, as_array, as_plane, is_float

__all__ = ["StoredPixels", "log_pixels", "picture_pixels", "signal_pixels"]

_TOP_16_BIT = 65535
_TOP_12_BIT = 4095


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Stored pixels, their relation to the intensity of the X-ray beam, and how a viewer shows them.

    Viewers disagree on the Modality LUT of an XA image: it leads back to the intensity, and most do not apply it before
    the VOI LUT. So the grey scale starts from stored values.

    Attributes:
        values: [H, W], uint8 or uint16.
        bits: bits stored.
        relationship: Pixel Intensity Relationship: `"LIN"`, `"LOG"` or `"DISP"` (a picture).
        sign: +1 if lower intensity has lower values, −1 if it has higher values.
        meaning: a sentence for the Derivation Description.
        to_gray: a table [2**bits] of uint16 from stored values to grey values; None for a picture.
        window: stored values shown as black and white; None if a straight line between them is not the grey scale.
        to_linear: for LOG, a table [2**bits] of uint16 from stored values to values linear in the intensity.
    """

    values: Array
    bits: int
    relationship: Literal["LIN", "LOG", "DISP"]
    sign: Literal[1, -1]
    meaning: str
    to_gray: Array | None = None
    window: tuple[float, float] | None = None
    to_linear: Array | None = None


def signal_pixels(image: Image, open_field: Image | float | None, tone: Processing, unit: str = "keV") -> StoredPixels:
    """The raw signal on a linear scale of 16 bits, with the smallest step of six digits that covers the image.

    Args:
        image: [H, W], signal per pixel. If electronic noise makes it negative, an offset is added to all values.
        open_field: signal without the patient, a number or [H, W], for the grey scale, which takes its mean; None: the
            brightest thousandth.
        tone: window, gamma and polarity of the grey scale.
        unit: unit of the image, for the description of a stored value.
    """
    signal = as_plane(image, kind="DICOM").astype(np.float64)
    low, high = min(0.0, float(signal.min())), max(0.0, float(signal.max()))
    step = _step(low, high)
    offset = int(np.ceil(-low / step))
    reference = float(np.percentile(signal, 99.9) if open_field is None else as_array(open_field).mean())
    intensity = step * (np.arange(_TOP_16_BIT + 1) - offset) / max(reference, step)
    darkest = float(intensity[intensity > 0][0])
    window = tone.window or automatic_window(
        signal, open_field=max(reference, step) if open_field is None else open_field
    )
    return StoredPixels(
        values=(np.rint(signal / step) + offset).astype(np.uint16),
        bits=16,
        relationship="LIN",
        sign=1,
        meaning=f"Stored value v is a signal of (v - {offset}) x {step:.6g} {unit} per pixel.",
        to_gray=_gray_scale(-np.log(np.maximum(intensity, darkest)), window, tone),
    )


def log_pixels(image: Image, open_field: Image | float | None, tone: Processing) -> StoredPixels:
    """The logarithm of the signal on a scale of 12 bits: the resolution is the same behind bone and beside it.

    Values rise with the grey that is shown: with the attenuation if bone is white, with the intensity if it is black.
    So a window alone shows them right, in any viewer, unless there is a gamma.

    Args:
        image: [H, W], keV per pixel.
        open_field: signal without the patient, a number or [H, W]; None: the brightest thousandth of the image.
        tone: window, gamma and polarity of the grey scale.
    """
    plane = as_plane(image, kind="DICOM")
    dense = attenuation(plane, open_field)
    low, high = float(dense.min()), float(dense.max())
    step = max(high - low, 1e-3) / _TOP_12_BIT
    first, step = (low, step) if tone.polarity == "bone_white" else (low + _TOP_12_BIT * step, -step)
    scale = first + step * np.arange(_TOP_12_BIT + 1)
    thin, thick = _not_empty(tone.window or automatic_window(plane, open_field=open_field))
    black, white = sorted(((thin - first) / step, (thick - first) / step))
    return StoredPixels(
        values=np.rint((dense - first) / step).astype(np.uint16),
        bits=12,
        relationship="LOG",
        sign=-1 if tone.polarity == "bone_white" else 1,
        meaning=f"Stored value v is an attenuation -ln(I/I0) of {first:.6g} + v x {step:.9g}.",
        to_gray=_gray_scale(scale, (thin, thick), tone),
        window=(black, white) if tone.gamma == 1.0 else None,
        to_linear=np.rint(_TOP_16_BIT * np.exp(low - scale)).astype(np.uint16),
    )


def picture_pixels(image: Image, polarity: Polarity) -> StoredPixels:
    """A picture made by `deepdrr.display`, with unchanged values.

    Args:
        image: [H, W], uint8 or uint16.
        polarity: `"bone_white"` or `"bone_black"`, as given to `deepdrr.display.display`.

    Raises:
        ValueError: if the image is not such a picture.
    """
    plane = as_plane(image, kind="a DICOM picture")
    if is_float(plane) or plane.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image must be uint8 or uint16 to be a picture, got {plane.dtype}; deepdrr.display makes one")
    bits = 8 * plane.dtype.itemsize
    return StoredPixels(
        values=plane,
        bits=bits,
        relationship="DISP",
        sign=-1 if polarity == "bone_white" else 1,
        meaning="Stored values are a picture: logarithm, window and grey scale are applied.",
        window=(0.0, 2.0**bits - 1.0),
    )


def _step(low: float, high: float) -> float:
    """The smallest step of six significant digits with which [low, high], rounded, fits in 16 bits."""
    needed = max(high - low, 1e-30) / (_TOP_16_BIT - 1)
    digit = 10.0 ** (np.floor(np.log10(needed)) - 5)
    return float(f"{np.ceil(needed / digit) * digit:.6g}")


def _gray_scale(dense: Array, window: tuple[float, float], tone: Processing) -> Array:
    """The table of a VOI LUT: grey values of the attenuation of each stored value."""
    scale = display(
        dense[None],
        quantity="attenuation",
        window=_not_empty(window),
        gamma=tone.gamma,
        polarity=tone.polarity,
        dtype="uint16",
    )
    return scale.reshape(-1)


def _not_empty(window: tuple[float, float]) -> tuple[float, float]:
    """The window of an image, which has no width if the image is constant."""
    return window[0], max(window[1], window[0] + 1e-3)
