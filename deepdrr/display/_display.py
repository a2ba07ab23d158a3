"""`display` turns the raw signal into a picture: logarithm, window, grey scale.

The steps are functions: `attenuation` (logarithm), `automatic_window`, then window, CLAHE, gamma and polarity, and
`quantize`. All are deterministic, and none needs to know the physics.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from deepdrr._extras import require
from deepdrr._numbers import as_number

__all__ = [
    "Depth",
    "Image",
    "Picture",
    "Polarity",
    "Quantity",
    "Values",
    "attenuation",
    "automatic_window",
    "block_means",
    "checked_planes",
    "checked_regions",
    "display",
    "log_attenuation",
    "quantize",
    "window_of",
]

Picture = npt.NDArray[Any]  # uint8, uint16 or float32
Values = npt.NDArray[np.float64]
Image = Tensor | npt.ArrayLike

Quantity = Literal["signal", "attenuation"]
Polarity = Literal["bone_white", "bone_black"]
Depth = Literal["uint8", "uint16", "float32"]

_LEVELS: dict[str, type[np.uint8 | np.uint16]] = {"uint8": np.uint8, "uint16": np.uint16}
_FLOOR = 1e-6  # of the open field; −ln gives 13.8, the attenuation of 60 cm of water
_LATITUDE = 4.0  # widest automatic window of a signal, e⁴ = 55:1 in exposure; by eye, for a pelvis and its soft tissue
_LEAST_SPREAD = 0.2  # interquartile range of the attenuation; a phantom of one material in front of others has less
_BLOCKS = 128  # along the shorter side, so that noise does not widen the statistics


def display(
    image: Image,
    *,
    quantity: Quantity = "signal",
    open_field: Image | None = None,
    window: tuple[float, float] | None = None,
    polarity: Polarity = "bone_white",
    gamma: float = 1.0,
    clahe: float | None = None,
    dtype: Depth = "uint8",
    region: Image | None = None,
) -> Picture:
    """The picture of a raw image or of line integrals, as a viewer would show it.

    Args:
        image: [..., H, W]; each picture of a stack has its own automatic window.
        quantity: `"signal"`: intensity or absorbed energy, whose logarithm is taken; `"attenuation"`: line
            integrals, or an image that is already logarithmic; larger where more matter is in the beam.
        open_field: signal without the patient, a number or [..., H, W] (an image also corrects the fall-off of the
            beam toward the corners); for `"signal"` only. None: the brightest thousandth of each image.
        window: (low, high) attenuation shown as the two ends of the grey scale; None: `automatic_window`.
        polarity: `"bone_white"` as in radiography, or `"bone_black"` as in fluoroscopy.
        gamma: exponent of the grey values, applied before the polarity; 1 for none.
        clahe: clip limit of contrast-limited adaptive histogram equalisation, in (0, 1], e.g. 0.01; None for none.
            Needs the extra `clahe`.
        dtype: `"uint8"`, `"uint16"` (full range) or `"float32"` in [0, 1].
        region: bool [..., H, W], the pixels that the automatic window looks at; None: all.

    Returns:
        NumPy array [..., H, W] on the CPU.

    Raises:
        ValueError: for an argument outside the ranges stated here, or an image with NaN or infinite pixels.
        ImportError: if `clahe` is asked for and scikit-image is not installed.

    Example:
        >>> display([[100.0, 50.0, 1.0]], open_field=100.0, window=(0.0, math.log(100.0)))
        array([[  0,  38, 255]], dtype=uint8)
    """
    _check_choice(polarity, ("bone_white", "bone_black"), "polarity")
    _check_choice(dtype, (*_LEVELS, "float32"), "dtype")
    window, gamma = _as_numbers(window), as_number(gamma, "gamma")
    _check_tone(window, gamma, clahe)
    values, reference = checked_planes(image, quantity, open_field)
    regions = checked_regions(region, _to_numpy(image).shape)
    pictures = []
    for plane, open_plane, looked_at in zip(values, reference, regions, strict=True):
        dense = log_attenuation(plane, open_plane) if quantity == "signal" else plane
        low, high = window or window_of(plane, quantity, open_plane, looked_at)
        gray = np.clip((dense - low) / (high - low), 0.0, 1.0) if high > low else np.zeros_like(dense)
        gray = (gray if clahe is None else _equalized(gray, clahe)) ** gamma
        pictures.append(quantize(1.0 - gray if polarity == "bone_black" else gray, dtype))
    return np.stack(pictures).reshape(_to_numpy(image).shape)


def attenuation(signal: Image, open_field: Image | None = None) -> Values:
    """−ln(I / I₀), with I / I₀ at least 1e-6, because a pixel that no photon reached has no logarithm.

    Args:
        signal: I [..., H, W], any linear unit.
        open_field: I₀ in the same unit, a number or [..., H, W]; None: the brightest thousandth of each image.

    Returns:
        float64 [..., H, W]; zero for an image without signal.

    Raises:
        ValueError: if `open_field` is not positive and finite, or an image has NaN or infinite pixels.
    """
    values, reference = checked_planes(signal, "signal", open_field)
    planes = [log_attenuation(plane, open_plane) for plane, open_plane in zip(values, reference, strict=True)]
    return np.stack(planes).reshape(_to_numpy(signal).shape)


def automatic_window(
    image: Image, *, quantity: Quantity = "signal", open_field: Image | None = None, region: Image | None = None
) -> tuple[float, float]:
    """The window that `display` chooses for an image; to show several images alike, give the window of one to all.

    It runs from the 2nd to the 99.8th percentile of the attenuation in the patient. Pixels with more than three
    tenths of the greatest attenuation count as patient (if the open field is unknown: more than a twentieth of the
    range), so that neither the air beside the patient nor the thin ends of a cropped CT shift the window. It goes no
    farther than 3 interquartile ranges beyond the quartiles (the outer fences of Tukey 1977), so that metal darkens the
    anatomy less. For a signal the window is at most 4 wide; thin parts then become dark. The statistics use means over
    blocks of pixels, so that noise does not widen the window, and leave out blocks without any signal.

    Args:
        image: [H, W].
        quantity: as in `display`.
        open_field: as in `display`.
        region: as in `display`.

    Returns:
        (low, high), attenuation; equal for a constant image.

    Raises:
        ValueError: if `image` is a stack, or as in `display`.
    """
    values, reference = checked_planes(image, quantity, open_field)
    if len(values) != 1:
        raise ValueError(f"image must be one picture [H, W], got shape {_to_numpy(image).shape}")
    return window_of(values[0], quantity, reference[0], checked_regions(region, _to_numpy(image).shape)[0])


def quantize(gray: Values, dtype: Depth) -> Picture:
    """Grey values in [0, 1] as integers over the full range, rounded to nearest, or as float32."""
    if dtype == "float32":
        return gray.astype(np.float32)
    integer = _LEVELS[dtype]
    return np.rint(gray * np.iinfo(integer).max).astype(integer)


def log_attenuation(plane: Values, open_plane: Values | None) -> Values:
    reference = _brightest(plane) if open_plane is None else open_plane
    return np.asarray(-np.log(np.maximum(plane / reference, _FLOOR)))


def window_of(
    plane: Values, quantity: Quantity, reference: Values | None, region: Values | None = None
) -> tuple[float, float]:
    wanted = True if region is None else block_means(region) > 0.5
    if quantity == "attenuation":
        blocks, chosen = block_means(plane), wanted
    else:
        transmission = block_means(plane / (_brightest(plane) if reference is None else reference))
        alive = transmission > _FLOOR
        blocks, chosen = -np.log(np.where(alive, transmission, 1.0)), alive & wanted
    seen = blocks[np.broadcast_to(chosen, blocks.shape)]
    if not seen.size:
        seen = np.zeros(1) if region is None else blocks.reshape(-1)
    bottom, top = (float(p) for p in np.percentile(seen, (0.1, 99.9)))
    relative = quantity == "signal" and reference is None
    patient = seen[seen > (bottom + 0.05 * (top - bottom) if relative else 0.3 * top)]
    low, high = _without_outliers(patient if patient.size else seen)
    return (low if quantity == "attenuation" else max(low, high - _LATITUDE)), high


def _without_outliers(patient: Values) -> tuple[float, float]:
    """The 2nd and 99.8th percentile, within Tukey's outer fences where the values spread as anatomy does."""
    low, quarter, three_quarters, high = (float(p) for p in np.percentile(patient, (2.0, 25.0, 75.0, 99.8)))
    spread = three_quarters - quarter
    if spread < _LEAST_SPREAD:
        return low, high
    return max(low, quarter - 3.0 * spread), min(high, three_quarters + 3.0 * spread)


def _brightest(plane: Values) -> float:
    """The substitute for an unknown open field; 1 for an image without signal."""
    brightest = float(np.percentile(block_means(plane), 99.9))
    return brightest if brightest > 0.0 else 1.0


def block_means(plane: Values) -> Values:
    """Means over square blocks, about `_BLOCKS` along the shorter side, without the remainder at the far edges."""
    side = max(1, min(plane.shape) // _BLOCKS)
    rows, columns = (n // side for n in plane.shape)
    blocks: Values = plane[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3))
    return blocks


def _equalized(gray: Values, clip_limit: float) -> Values:
    exposure = require("skimage.exposure", "clahe", "adaptive histogram equalisation")
    if gray.min() == gray.max():
        return gray
    equalized: Values = exposure.equalize_adapthist(gray, clip_limit=clip_limit, nbins=1024)
    return np.clip(equalized, 0.0, 1.0)


def checked_planes(
    image: Image, quantity: Quantity, open_field: Image | None
) -> tuple[Values, list[Values] | list[None]]:
    """The planes [N, H, W] of an image, and the open field [H, W] of each or None."""
    _check_choice(quantity, ("signal", "attenuation"), "quantity")
    values = _to_numpy(image)
    if values.ndim < 2 or values.size == 0:
        raise ValueError(f"image must be [..., H, W] with at least one pixel, got shape {values.shape}")
    if wrong := int(np.count_nonzero(~np.isfinite(values))):
        raise ValueError(f"image must be finite, got {wrong} pixels that are NaN or infinite")
    planes = values.reshape(-1, *values.shape[-2:])
    if open_field is None:
        return planes, [None] * len(planes)
    if quantity == "attenuation":
        raise ValueError("open_field belongs to quantity='signal'; attenuation is relative to it already")
    return planes, list(_checked_open_field(open_field, values.shape).reshape(planes.shape))


def checked_regions(region: Image | None, shape: tuple[int, ...]) -> Sequence[Values | None]:
    """The region [H, W] of each plane, 1 where it is looked at, or None."""
    count = math.prod(shape[:-2])
    if region is None:
        return [None] * count
    looked_at = _to_numpy(region)
    try:
        return list(np.broadcast_to(looked_at, shape).reshape(count, *shape[-2:]))
    except ValueError as error:
        raise ValueError(f"region must fit {shape}, got shape {looked_at.shape}") from error


def _checked_open_field(open_field: Image, shape: tuple[int, ...]) -> Values:
    reference = _to_numpy(open_field)
    if not (np.isfinite(reference) & (reference > 0)).all():
        raise ValueError(f"open_field must be positive and finite, got {reference.min()} to {reference.max()}")
    try:
        return np.broadcast_to(reference, shape)
    except ValueError as error:
        raise ValueError(f"open_field must be a number or fit {shape}, got shape {reference.shape}") from error


def _to_numpy(image: Image) -> Values:
    array = image.detach().cpu().double().numpy() if isinstance(image, Tensor) else image
    return np.asarray(array, dtype=np.float64)


def _check_choice(value: str, choices: tuple[str, ...], name: str) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _as_numbers(window: Sequence[float] | None) -> tuple[float, float] | None:
    if window is None:
        return None
    if len(window) != 2:
        raise ValueError(f"window must be (low, high), got {window}")
    return as_number(window[0], "window"), as_number(window[1], "window")


def _check_tone(window: tuple[float, float] | None, gamma: float, clahe: float | None) -> None:
    if window is not None and not window[0] < window[1]:
        raise ValueError(f"window must be (low, high) with low < high, both finite, got {window}")
    if not 0.0 < gamma < math.inf:
        raise ValueError(f"gamma must be positive and finite, got {gamma}")
    if clahe is not None and not 0.0 < clahe <= 1.0:
        raise ValueError(f"clahe must be a clip limit in (0, 1], or None, got {clahe}")
