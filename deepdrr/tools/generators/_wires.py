"""Straight wires and pins: Kirschner wire, guide wire, rod, needle."""

import math

import numpy as np

from deepdrr.tools.generators._loft import circle, lathe, loft
from deepdrr.tools.generators._shape import Array, Shape, below, lengths, segments_of

__all__ = ["guide_wire", "kirschner_wire", "needle", "rod"]

_FACETS = 3  # of a trocar tip
_ARC = 12  # rings of a quarter circle


def kirschner_wire(
    diameter_mm: float = 2.0, length_mm: float = 150.0, *, facet_angle_deg: float = 15.0, segments: int = 48
) -> Shape:
    r"""A Kirschner wire with a trocar tip: a cylinder cut by three planes that meet in the tip.

    Its volume is \( \pi r^2 L - \sqrt{3}\, r^3 / \tan\alpha \), α the angle between a facet and the axis.

    Args:
        diameter_mm: of the wire, mm.
        length_mm: from the tip to the blunt end, mm.
        facet_angle_deg: angle between a facet and the axis, degrees; the default is our own.
        segments: corners of the polygon that stands for a circle, rounded up to a multiple of 3.

    Returns:
        The surface: tip in the origin, +z the way the tip points. Key points `tip` and `tail`.

    Raises:
        ValueError: if a length is not positive, or the tip longer than the wire.

    Example:
        >>> wire = kirschner_wire(2.0, 100.0)
        >>> round(wire.volume_mm3)
        307
    """
    diameter, length = lengths(diameter_mm=diameter_mm, length_mm=length_mm)
    if not 1 <= facet_angle_deg <= 60:
        raise ValueError(f"facet_angle_deg must be 1 to 60 degrees, got {facet_angle_deg}")
    radius, count = diameter / 2, segments_of(segments, _FACETS)
    slope = 1 / math.tan(math.radians(facet_angle_deg))
    below(length, "length_mm", tip_mm=radius * slope)
    angles = 2 * np.pi * np.arange(count) / count
    from_facet = (angles + np.pi / _FACETS) % (2 * np.pi / _FACETS) - np.pi / _FACETS
    cut = circle(radius, -radius * slope * np.cos(from_facet), count)
    rings = [_pole(-length), circle(radius, -length, count), cut, _pole(0.0)]
    return Shape(*loft(rings), _ends(length))


def guide_wire(
    diameter_mm: float = 2.5,
    length_mm: float = 400.0,
    *,
    ball_diameter_mm: float | None = None,
    segments: int = 48,
) -> Shape:
    """A straight guide wire with a round tip, or with a ball at its tip as for intramedullary nails.

    Args:
        diameter_mm: of the wire, mm; the default is our own.
        length_mm: from the tip to the blunt end, mm.
        ball_diameter_mm: of the ball, mm; None for a half sphere of the wire's own diameter.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: tip in the origin, +z the way the tip points. Key points `tip` and `tail`.

    Raises:
        ValueError: if a length is not positive, or the ball is thinner than the wire.
    """
    diameter, length = lengths(diameter_mm=diameter_mm, length_mm=length_mm)
    ball = diameter if ball_diameter_mm is None else lengths(ball_diameter_mm=ball_diameter_mm)[0]
    if ball < diameter:
        raise ValueError(f"ball_diameter_mm must be at least diameter_mm, {diameter:g} mm, got {ball:g}")
    below(length, "length_mm", ball_diameter_mm=ball)
    count = segments_of(segments)
    start = math.pi - math.asin(diameter / ball)  # where the wire leaves the ball
    angles = np.linspace(start, 0.0, 2 * _ARC + 1)[:-1]
    profile = [(ball / 2 * math.sin(a), ball / 2 * (math.cos(a) - 1)) for a in angles]
    rings = lathe([(0, -length), (diameter / 2, -length), *profile, (0, 0.0)], count)
    return Shape(*loft(rings), _ends(length))


def rod(diameter_mm: float = 5.5, length_mm: float = 80.0, *, segments: int = 48) -> Shape:
    """A straight rod, as between pedicle screws. `tube_along` bends one.

    Args:
        diameter_mm: mm.
        length_mm: mm.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: one end in the origin, +z from the other end to it. Key points `tip` and `tail`.

    Raises:
        ValueError: if a length is not positive.

    Example:
        >>> rod(2.0, 10.0, segments=4000).volume_mm3 / (10 * math.pi) > 0.999
        True
    """
    diameter, length = lengths(diameter_mm=diameter_mm, length_mm=length_mm)
    profile = [(0, -length), (diameter / 2, -length), (diameter / 2, 0.0), (0, 0.0)]
    return Shape(*loft(lathe(profile, segments_of(segments))), _ends(length))


def needle(
    diameter_mm: float = 1.2,
    bore_mm: float = 0.9,
    length_mm: float = 90.0,
    *,
    bevel_deg: float = 20.0,
    segments: int = 48,
) -> Shape:
    r"""A hollow needle whose end is cut by a plane. Its volume is \( \pi (R^2 - r^2)(L - R / \tan\beta) \).

    Args:
        diameter_mm: outer diameter, mm.
        bore_mm: inner diameter, mm; both defaults are our own.
        length_mm: from the plane of the tip to the other end, mm.
        bevel_deg: angle β between the plane of the cut and the axis, degrees.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: axis on z, +z the way the tip points, tip at (radius, 0, 0). Key points `tip` and `tail`.

    Raises:
        ValueError: if a length is not positive, the bore as wide as the needle, or the bevel longer than it.
    """
    diameter, bore, length = lengths(diameter_mm=diameter_mm, bore_mm=bore_mm, length_mm=length_mm)
    if not 5 <= bevel_deg <= 90:
        raise ValueError(f"bevel_deg must be 5 to 90 degrees, got {bevel_deg}")
    below(diameter, "diameter_mm", bore_mm=bore)
    radius, count, slope = diameter / 2, segments_of(segments), 1 / math.tan(math.radians(bevel_deg))
    below(length, "length_mm", bevel_mm=diameter * slope)

    def cut(at_mm: float) -> Array:
        ring = circle(at_mm, 0.0, count)
        ring[:, 2] = (ring[:, 0] - radius) * slope
        return ring

    inner = circle(bore / 2, -length, count)
    rings = [inner, circle(radius, -length, count), cut(radius), cut(bore / 2), inner]
    return Shape(*loft(rings), {"tip": np.array([radius, 0.0, 0.0]), "tail": np.array([0.0, 0.0, -length])})


def _pole(z_mm: float) -> Array:
    return np.array([[0.0, 0.0, z_mm]])


def _ends(length_mm: float) -> dict[str, Array]:
    return {"tip": np.zeros(3), "tail": np.array([0.0, 0.0, -length_mm])}
