"""`Processing`: everything done to an image between the detector and the screen, with presets."""

import math
from dataclasses import dataclass

import numpy as np

from deepdrr._numbers import plain_fields
from deepdrr.display._display import (
    Depth,
    Image,
    Picture,
    Polarity,
    Values,
    block_means,
    checked_planes,
    checked_regions,
    display,
    log_attenuation,
    quantize,
    window_of,
)
from deepdrr.display._enhance import circular_field, compressed, edge_enhanced

__all__ = ["PRESETS", "Processing", "processed"]


@dataclass(frozen=True, kw_only=True)
class Processing:
    """The steps in order; each has a value that switches it off.

    Attributes:
        compression: strength of the dynamic-range compression; 0 for none, less than 1.
        compression_scale: sigma of its Gaussian as a fraction of the shorter side of the image.
        edge: amount of edge enhancement; 0 for none.
        edge_px: sigma of its Gaussian, pixels.
        window: (low, high) attenuation before compression, shown as the ends of the grey scale; None for
            `automatic_window`.
        gamma: exponent of the grey values; 1 for none.
        clahe: clip limit of the adaptive equalisation in (0, 1]; None for none. Needs the extra `clahe`.
        polarity: `"bone_white"` or `"bone_black"`.
        circular: whether the picture is black outside the inscribed circle.
    """

    compression: float = 0.0
    compression_scale: float = 0.08
    edge: float = 0.0
    edge_px: float = 1.5
    window: tuple[float, float] | None = None
    gamma: float = 1.0
    clahe: float | None = None
    polarity: Polarity = "bone_white"
    circular: bool = False

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 <= self.compression < 1.0:
            raise ValueError(f"compression must be in [0, 1), got {self.compression}")
        if not 0.0 <= self.edge < math.inf:
            raise ValueError(f"edge must be finite and not negative, got {self.edge}")
        for name in ("compression_scale", "edge_px"):
            if not 0.0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")

    @property
    def is_pointwise(self) -> bool:
        """Whether the grey of a pixel depends on its own value alone, so that a look-up table holds all steps.

        Example:
            >>> Processing(gamma=0.8).is_pointwise, Processing(edge=0.5).is_pointwise
            (True, False)
        """
        return not (self.compression or self.edge or self.circular or self.clahe is not None)

    @property
    def description(self) -> str:
        """The steps in words, for the header of a file.

        Example:
            >>> Processing(edge=0.5, circular=True).description
            'logarithm, edge enhancement 0.5 (1.5 pixels), window, circular field'
        """
        steps = [
            "logarithm",
            f"dynamic range compression {self.compression:g}" if self.compression else "",
            f"edge enhancement {self.edge:g} ({self.edge_px:g} pixels)" if self.edge else "",
            "window",
            f"adaptive equalisation {self.clahe:g}" if self.clahe is not None else "",
            f"gamma {self.gamma:g}" if self.gamma != 1.0 else "",
            "circular field" if self.circular else "",
        ]
        return ", ".join(step for step in steps if step)


# Chosen by eye on the bundled pelvis; manufacturers do not publish their processing.
PRESETS = {
    "plain": Processing(),
    "radiograph": Processing(compression=0.35, edge=0.6, edge_px=2.0),
    "fluoroscopy": Processing(compression=0.5, edge=0.3, edge_px=1.5, polarity="bone_black", circular=True),
    "bone detail": Processing(compression=0.6, edge=1.5, edge_px=3.0),
    "soft tissue": Processing(compression=0.7, compression_scale=0.15),
}


def processed(
    signal: Image,
    processing: Processing | str = "radiograph",
    *,
    open_field: Image | None = None,
    dtype: Depth = "uint8",
    region: Image | None = None,
) -> Picture:
    """The picture of a raw image as a machine with this processing would show it.

    Args:
        signal: [..., H, W], raw signal linear in the intensity, without offset.
        processing: the steps, or the name of one of `PRESETS`.
        open_field: signal without the patient, a number or [..., H, W]; None: the brightest thousandth of each image.
        dtype: `"uint8"`, `"uint16"` (full range) or `"float32"` in [0, 1].
        region: bool [..., H, W], the pixels that the automatic window looks at; None: all.

    Returns:
        NumPy array [..., H, W].

    Raises:
        ValueError: for an unknown preset or type, or an image with NaN or infinite pixels.

    Example:
        >>> processed([[100.0, 50.0, 1.0]], Processing(window=(0.0, 4.6)), open_field=100.0)
        array([[  0,  38, 255]], dtype=uint8)
    """
    if isinstance(processing, str):
        if processing not in PRESETS:
            raise ValueError(f"processing must be one of {', '.join(PRESETS)}, got {processing!r}")
        processing = PRESETS[processing]
    planes, opens = checked_planes(signal, "signal", open_field)
    regions = checked_regions(region, np.shape(signal))
    pictures = [quantize(_gray(*plane, processing), dtype) for plane in zip(planes, opens, regions, strict=True)]
    return np.stack(pictures).reshape(np.shape(signal))


def _gray(plane: Values, open_plane: Values | None, region: Values | None, steps: Processing) -> Values:
    """Grey values [H, W] in [0, 1] of one raw image."""
    plain = dense = log_attenuation(plane, open_plane)
    low, high = steps.window or window_of(plane, "signal", open_plane, region)
    pivot = (low + high) / 2
    if steps.compression:
        sigma = max(steps.compression_scale * min(dense.shape), 0.5)
        dense = compressed(dense, steps.compression, sigma_px=sigma, pivot=pivot)
    if steps.edge:
        dense = edge_enhanced(dense, steps.edge, sigma_px=steps.edge_px)
    gray = display(
        dense,
        quantity="attenuation",
        window=_window_after(plain, dense, (low, high), steps) if high > low else None,
        polarity=steps.polarity,
        gamma=steps.gamma,
        clahe=steps.clahe,
        dtype="float32",
    )
    return circular_field(gray) if steps.circular else gray


def _window_after(plain: Values, dense: Values, window: tuple[float, float], steps: Processing) -> tuple[float, float]:
    """The window after compression: a given window, compressed too, or the range of pixels in the automatic one."""
    low, high = window
    pivot, keeps = (low + high) / 2, 1 - steps.compression
    ends = pivot + keeps * (low - pivot), pivot + keeps * (high - pivot)
    if steps.window is not None or not steps.compression:
        return ends
    before, after = block_means(plain), block_means(dense)
    patient = after[(before >= low) & (before <= high)]
    if not patient.size:
        return ends
    bottom, top = (float(p) for p in np.percentile(patient, (1.0, 99.7)))
    return (bottom, top) if top > bottom else ends
