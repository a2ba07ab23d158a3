"""Ball markers, and calibration phantoms made of them."""

from typing import Literal, TypeAlias, get_args

import numpy as np

from deepdrr._names import unknown_name
from deepdrr._numbers import as_count
from deepdrr.tools.generators._loft import lathe, loft
from deepdrr.tools.generators._shape import Array, Shape, below, lengths, merged, segments_of

__all__ = ["PhantomKind", "ball", "calibration_phantom"]

PhantomKind: TypeAlias = Literal["cylinder", "helix", "plane"]


def ball(diameter_mm: float = 3.0, *, segments: int = 48) -> Shape:
    """A ball marker.

    Args:
        diameter_mm: mm.
        segments: corners of the equator; there are half as many rings from pole to pole.

    Returns:
        The surface about the origin. Key point `center`.

    Raises:
        ValueError: if the diameter is not positive.

    Example:
        >>> round(ball(2.0, segments=400).volume_mm3, 3)  # 4π/3 = 4.189
        4.188
    """
    (diameter,) = lengths(diameter_mm=diameter_mm)
    count = segments_of(segments, 2)
    angles = np.linspace(np.pi, 0.0, count // 2 + 1)[1:-1]
    profile = [(diameter / 2 * np.sin(a), diameter / 2 * np.cos(a)) for a in angles]
    rings = lathe([(0, -diameter / 2), *profile, (0, diameter / 2)], count)
    return Shape(*loft(rings), {"center": np.zeros(3)})


def calibration_phantom(
    kind: PhantomKind = "helix",
    *,
    balls: int = 16,
    ball_diameter_mm: float = 3.0,
    diameter_mm: float = 100.0,
    length_mm: float = 100.0,
    segments: int = 32,
) -> Shape:
    """A calibration phantom: balls at known points, without the body that holds them.

    Args:
        kind: `"cylinder"`: two circles about z, half of the balls each; `"helix"`: one turn about z, evenly spaced;
            `"plane"`: a square grid in the plane z = 0, of as many balls as the next square number.
        balls: how many.
        ball_diameter_mm: mm.
        diameter_mm: of the circle or the helix, or the side of the grid, mm. All defaults are our own.
        length_mm: between the circles, or from end to end of the helix, mm; a plane has none.
        segments: corners of a ball's equator.

    Returns:
        The surfaces, centred in the origin. Key points `ball_1`, `ball_2`, …: the list of centres.

    Raises:
        ValueError: for an unknown kind, a length that is not positive, or balls that touch.

    Example:
        >>> phantom = calibration_phantom("cylinder", balls=8)
        >>> len(phantom.key_points), phantom.key_points["ball_1"].tolist()
        (8, [50.0, 0.0, -50.0])
    """
    if kind not in get_args(PhantomKind):
        raise unknown_name("kind of phantom", kind, get_args(PhantomKind))
    size, diameter, length = lengths(ball_diameter_mm=ball_diameter_mm, diameter_mm=diameter_mm, length_mm=length_mm)
    centers = _centers(kind, as_count(balls, "balls", 2), diameter, length)
    away = np.linalg.norm(centers[:, None] - centers[None], axis=-1) + np.diag(np.full(len(centers), np.inf))
    below(float(away.min()), "the distance of neighbouring balls", ball_diameter_mm=size)
    one = ball(size, segments=segments)
    points = {f"ball_{n}": center for n, center in enumerate(centers, 1)}
    return merged([one.moved(center) for center in centers], points)


def _centers(kind: PhantomKind, balls: int, diameter_mm: float, length_mm: float) -> Array:
    """Centres of the balls [N, 3], mm."""
    if kind == "plane":
        side = int(np.ceil(np.sqrt(balls)))
        line = np.linspace(-diameter_mm / 2, diameter_mm / 2, side)
        x, y = np.meshgrid(line, line, indexing="ij")
        return np.stack([x.ravel(), y.ravel(), np.zeros(side * side)], axis=1)
    if kind == "cylinder":
        low, high = balls // 2, balls - balls // 2
        angles = np.concatenate([2 * np.pi * np.arange(n) / n for n in (low, high)])
        z = np.repeat([-length_mm / 2, length_mm / 2], [low, high])
    else:
        angles = 2 * np.pi * np.arange(balls) / balls
        z = np.linspace(-length_mm / 2, length_mm / 2, balls)
    return np.stack([diameter_mm / 2 * np.cos(angles), diameter_mm / 2 * np.sin(angles), z], axis=1)
