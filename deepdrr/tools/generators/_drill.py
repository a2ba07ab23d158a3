"""A twist drill."""

import math

import numpy as np

from deepdrr.tools.generators._loft import circle, loft
from deepdrr.tools.generators._shape import Shape, below, lengths, segments_of

__all__ = ["drill"]

_PER_TURN = 36  # rings in one turn of the flutes


def drill(
    diameter_mm: float = 3.2,
    length_mm: float = 145.0,
    *,
    fluted_mm: float = 40.0,
    helix_mm: float = 16.0,
    point_deg: float = 118.0,
    segments: int = 48,
) -> Shape:
    """A twist drill with two flutes and a conical point.

    Across the flutes its radius is R (1 − 0.45 (½ + ½ cos 2θ)²), our own smooth stand-in for the ground section.

    Args:
        diameter_mm: mm.
        length_mm: from the tip to the other end, mm.
        fluted_mm: length of the flutes with the point, mm.
        helix_mm: length in which the flutes turn once, right-handed, mm.
        point_deg: angle of the point, degrees; 118 is usual for twist drills.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: tip in the origin, +z the way the tip points. Key points `tip` and `tail`.

    Raises:
        ValueError: if a length is not positive, or the parts do not fit each other.
    """
    diameter, length, fluted, helix = lengths(
        diameter_mm=diameter_mm, length_mm=length_mm, fluted_mm=fluted_mm, helix_mm=helix_mm
    )
    if not 40 <= point_deg <= 170:
        raise ValueError(f"point_deg must be 40 to 170 degrees, got {point_deg}")
    radius, count = diameter / 2, segments_of(segments)
    cone = radius / math.tan(math.radians(point_deg / 2))
    below(length, "length_mm", fluted_mm=fluted)
    below(fluted, "fluted_mm", point_mm=cone + diameter)
    angles = 2 * np.pi * np.arange(count) / count
    flute = 0.45 * (0.5 + 0.5 * np.cos(2 * angles)) ** 2
    heights = np.linspace(-fluted, -cone, max(2, math.ceil((fluted - cone) / helix * _PER_TURN)) + 1)
    grown = np.clip((heights + fluted) / diameter, 0, 1)
    rings = [np.array([[0.0, 0.0, -length]]), circle(radius, -length, count)]
    for z, share in zip(heights, grown, strict=True):
        rings.append(circle(radius * (1 - share * flute), z, count, 2 * math.pi * (z + fluted) / helix))
    vertices, faces = loft([*rings, np.zeros((1, 3))])
    return Shape(vertices, faces, {"tip": np.zeros(3), "tail": np.array([0.0, 0.0, -length])})
