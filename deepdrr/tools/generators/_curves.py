"""Tubes along a curve: catheters, flexible guide wires, bent rods."""

import numpy as np

from deepdrr._numbers import as_count
from deepdrr.tools.generators._loft import loft
from deepdrr.tools.generators._shape import Array, Shape, below, lengths, segments_of

__all__ = ["centerline", "tube_along"]

_SPACING = 0.5  # of points along the curve, in diameters
_MOST_POINTS = 100_000


def centerline(points_mm: Array, spacing_mm: float) -> Array:
    """Evenly spaced points on the cubic spline through given ones.

    The spline's parameter is the distance along the given points, its ends are natural (no curvature).

    Args:
        points_mm: at least two points [N, 3], mm, in order.
        spacing_mm: largest distance of points along the curve, mm.

    Returns:
        [M, 3], mm, from the first given point to the last.

    Raises:
        ValueError: if there are fewer than two points, or two neighbours are the same.

    Example:
        >>> centerline([[0, 0, 0], [0, 0, 1]], 0.5).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 1.0]]
    """
    points = _checked(points_mm)
    (spacing,) = lengths(spacing_mm=spacing_mm)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    if len(points) == 2:
        curve = points
    else:
        from scipy.interpolate import CubicSpline

        fine = np.unique(np.concatenate([along, np.linspace(0, along[-1], 32 * len(points))]))
        curve = CubicSpline(along, points, bc_type="natural")(fine)
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    count = int(np.ceil(travelled[-1] / spacing - 1e-9)) + 1
    if count > _MOST_POINTS:
        raise ValueError(f"spacing_mm must give at most {_MOST_POINTS} points, got {count} over {travelled[-1]:g} mm")
    at = np.linspace(0, travelled[-1], max(count, 2))
    return np.stack([np.interp(at, travelled, axis) for axis in curve.T], axis=1)


def tube_along(
    points_mm: Array,
    diameter_mm: float = 2.0,
    *,
    bore_mm: float = 0.0,
    segments: int = 24,
    spacing_mm: float | None = None,
) -> Shape:
    """A tube or a wire along the spline through points: a catheter, a flexible guide wire, a bent rod.

    Args:
        points_mm: at least two points [N, 3], mm, from the tail to the tip, in any frame: it is the tool's own.
        diameter_mm: outer diameter, mm.
        bore_mm: inner diameter, mm; 0 for a wire.
        segments: corners of the polygon that stands for a circle.
        spacing_mm: distance of the rings along the curve, mm; by default half the diameter.

    Returns:
        The surface with flat ends. Key points `tip` (the last point) and `tail` (the first).

    Raises:
        ValueError: if the points make no curve, the bore is as wide as the tube, or the curve is bent more tightly
            than the tube's radius.

    Example:
        >>> pigtail = tube_along([[0, 0, 0], [0, 0, 50], [10, 0, 60]], 2.0, bore_mm=1.2)
        >>> pigtail.key_points["tip"].tolist()
        [10.0, 0.0, 60.0]
    """
    (diameter,) = lengths(diameter_mm=diameter_mm)
    bore = 0.0 if bore_mm == 0 else lengths(bore_mm=bore_mm)[0]
    below(diameter, "diameter_mm", bore_mm=bore)
    count = as_count(segments_of(segments), "segments")
    path = centerline(points_mm, _SPACING * diameter if spacing_mm is None else spacing_mm)
    _check_bend(path, diameter / 2)
    across, up = _frames(path)
    angles = 2 * np.pi * np.arange(count) / count

    def ring(index: int, radius_mm: float) -> Array:
        outward: Array = np.outer(np.cos(angles), across[index]) + np.outer(np.sin(angles), up[index])
        found: Array = path[index] + radius_mm * outward
        return found

    outer = [ring(n, diameter / 2) for n in range(len(path))]
    if bore:
        inner = [ring(n, bore / 2) for n in range(len(path))]
        rings = [inner[0], *outer, *inner[::-1]]
    else:
        rings = [path[:1], *outer, path[-1:]]
    return Shape(*loft(rings), {"tip": path[-1], "tail": path[0]})


def _frames(path: Array) -> tuple[Array, Array]:
    """Two directions across the curve in each point, [M, 3] each: those of the point before, made perpendicular."""
    tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    across = np.empty_like(path)
    before = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    for n, tangent in enumerate(tangents):
        before = before - (before @ tangent) * tangent
        before /= np.linalg.norm(before)
        across[n] = before
    return across, np.cross(tangents, across)


def _check_bend(path: Array, radius_mm: float) -> None:
    """Refuse a curve whose tube would cut through itself where it bends."""
    steps = np.diff(path, axis=0)
    distances = np.linalg.norm(steps, axis=1)
    if len(steps) < 2:
        return
    cosines = np.einsum("ij,ij->i", steps[1:], steps[:-1]) / (distances[1:] * distances[:-1])
    bend = np.arccos(np.clip(cosines, -1, 1))
    tightest = float(np.min((distances[1:] + distances[:-1]) / 2 / np.maximum(bend, 1e-12)))
    if tightest <= radius_mm:
        raise ValueError(
            f"points_mm must bend with a radius above the tube's, {radius_mm:g} mm, got a bend of {tightest:.3g} mm"
        )


def _checked(points_mm: Array) -> Array:
    points = np.asarray(points_mm, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2:
        raise ValueError(f"points_mm must be at least two points [N, 3], got the shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("points_mm must be finite, got NaN or infinity")
    if not (np.linalg.norm(np.diff(points, axis=0), axis=1) > 0).all():
        raise ValueError("points_mm must have no point twice in a row")
    return points
