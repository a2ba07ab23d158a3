"""The collimator: four blades that cover the field from its sides."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.camera import Camera
from deepdrr.spectrum.tube._focal_spot import FocalSpot

__all__ = ["Shutters", "shutter_transmission"]


@dataclass(frozen=True, kw_only=True)
class Shutters:
    """Blades between tube and patient, by the shadow of their edges on the detector.

    Attributes:
        left_mm, right_mm, top_mm, bottom_mm: distance of each edge from the detector's centre, mm on the detector;
            infinite for an open blade, negative for one that covers the centre.
        distance_mm: from the focal spot to the blades, which with its size makes the penumbra.
        leakage: what the blades let through, 0 to 1.

    Example:
        >>> Shutters(left_mm=50.0, right_mm=50.0).top_mm
        inf
    """

    left_mm: float = math.inf
    right_mm: float = math.inf
    top_mm: float = math.inf
    bottom_mm: float = math.inf
    distance_mm: float = 300.0
    leakage: float = 0.0

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in (f.name for f in fields(self)):
            if math.isnan(getattr(self, name)):
                raise ValueError(f"{name} must be a number, got nan")
        if not (self.left_mm + self.right_mm > 0 and self.top_mm + self.bottom_mm > 0):
            found = f"{self.left_mm}, {self.right_mm}, {self.top_mm}, {self.bottom_mm}"
            raise ValueError(f"left, right, top and bottom must leave a field between the blades, got {found} mm")
        if not 0.0 < self.distance_mm < math.inf:
            raise ValueError(f"distance_mm must be positive and finite, got {self.distance_mm}")
        if not 0.0 <= self.leakage < 1.0:
            raise ValueError(f"leakage must be 0 or more and below 1, got {self.leakage}")


def shutter_transmission(camera: Camera, shutters: Shutters, spot: FocalSpot | None = None) -> Tensor:
    """What part of the beam passes the blades, per pixel.

    Each edge is blurred over the shadow of the focal spot, f (sdd − c) / c for a distance c, and over the pixel; both
    as ramps.

    Args:
        camera: the geometry [...].
        shutters: the blades.
        spot: the focal spot; None for a point.

    Returns:
        float64 [..., H, W], `leakage` to 1.

    Raises:
        ValueError: if the blades are behind the detector.
    """
    sdd = float(camera.sdd_mm.detach().min())
    if not camera.orthographic and shutters.distance_mm >= sdd:
        raise ValueError(f"distance_mm must be less than the detector's {sdd:g} mm, got {shutters.distance_mm:g}")
    row_mm, column_mm = (p.double()[..., None] for p in camera.pixel_spacing_mm)
    shadow = 0.0 if camera.orthographic else (sdd - shutters.distance_mm) / shutters.distance_mm
    width, height = (spot.width_mm, spot.height_mm) if spot is not None else (0.0, 0.0)
    across = _between(camera.width, column_mm, (shutters.left_mm, shutters.right_mm), width * shadow)
    along = _between(camera.height, row_mm, (shutters.top_mm, shutters.bottom_mm), height * shadow)
    open_part = along[..., :, None] * across[..., None, :]
    return shutters.leakage + (1 - shutters.leakage) * open_part


def _between(count: int, pixel_mm: Tensor, edges_mm: tuple[float, float], shadow_mm: float) -> Tensor:
    """[..., count] part of each pixel in a row between two edges; the wider of shadow and pixel makes the ramp."""
    position = (torch.arange(count, dtype=torch.float64, device=pixel_mm.device) + 0.5 - count / 2) * pixel_mm
    ramp = pixel_mm.clamp(min=shadow_mm)
    open_part = torch.ones_like(position)
    for edge, inward in zip(edges_mm, (position, -position), strict=True):
        if edge < math.inf:  # the derivative of inf / ramp would be NaN
            open_part = open_part * ((edge + inward) / ramp + 0.5).clamp(0, 1)
    return open_part
