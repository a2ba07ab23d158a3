"""Plates, nails and hip stems. Their proportions are our own, of the size of common implants."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepdrr._numbers import as_count, plain_fields
from deepdrr.tools.generators._cuts import Body, cylinder, slab
from deepdrr.tools.generators._loft import lathe, loft
from deepdrr.tools.generators._shape import Array, Shape, below, lengths, segments_of

__all__ = ["NailHole", "hip_stem", "intramedullary_nail", "plate"]

_RINGS = 24


def plate(
    holes: int = 8,
    *,
    hole_mm: float = 3.6,
    spacing_mm: float = 12.0,
    width_mm: float = 10.0,
    thickness_mm: float = 3.3,
    segments: int = 36,
) -> Shape:
    r"""A straight plate with round holes and half-round ends. Needs the extra `tools`.

    With N holes of radius r at the distance d, the width w and the thickness t its volume is
    \( t\,((N-1)\,d\,w + \pi w^2 / 4 - N \pi r^2) \).

    Args:
        holes: how many.
        hole_mm: their diameter, mm.
        spacing_mm: from hole to hole, mm; the ends are half a width beyond the last ones.
        width_mm, thickness_mm: of the plate, mm. All defaults are our own.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: along x, +z away from the bone, its middle in the origin. Key points `hole_1`, …, on the upper
        side.

    Raises:
        ValueError: if a length is not positive, or a hole does not fit.
        ImportError: without the extra `tools`.
    """
    hole, spacing, width, thickness = lengths(
        hole_mm=hole_mm, spacing_mm=spacing_mm, width_mm=width_mm, thickness_mm=thickness_mm
    )
    below(min(width, spacing), "width_mm and spacing_mm", hole_mm=hole)
    number, count = as_count(holes, "holes"), segments_of(segments, 4)
    places = (np.arange(number) - (number - 1) / 2) * spacing
    drill = cylinder(hole, 2 * thickness, count)
    length = (number - 1) * spacing + width
    cut = slab(length, width, thickness, count).without(*(drill.moved((x, 0.0, 0.0)) for x in places))
    return cut.shape({f"hole_{n}": np.array([x, 0.0, thickness / 2]) for n, x in enumerate(places, 1)})


@dataclass(frozen=True)
class NailHole:
    """A hole across an intramedullary nail.

    Attributes:
        from_tip_mm: from the nail's tip to the middle of the hole, mm.
        diameter_mm: mm.
        angle_deg: between the hole and the nail's axis, degrees: 90 for locking screws, 55 for a lag screw whose shaft
            makes 125° with the nail.
        turn_deg: turn of the hole about the nail's axis, degrees; 0 has it in the plane of x and z.
    """

    from_tip_mm: float
    diameter_mm: float = 5.0
    angle_deg: float = 90.0
    turn_deg: float = 0.0

    def __post_init__(self) -> None:
        plain_fields(self)
        lengths(from_tip_mm=self.from_tip_mm, diameter_mm=self.diameter_mm)
        if not 20 <= self.angle_deg <= 160:
            raise ValueError(f"angle_deg must be 20 to 160 degrees, got {self.angle_deg}")


_LOCKING = (NailHole(15.0), NailHole(35.0))


def intramedullary_nail(
    diameter_mm: float = 10.0,
    length_mm: float = 340.0,
    *,
    bore_mm: float = 4.5,
    proximal_mm: tuple[float, float] = (13.0, 60.0),
    holes: Sequence[NailHole] = _LOCKING,
    segments: int = 48,
) -> Shape:
    """A straight intramedullary nail with a cannulation and holes for screws. Needs the extra `tools`.

    Args:
        diameter_mm: of the shaft, mm.
        length_mm: mm.
        bore_mm: diameter of the cannulation, mm; 0 for a solid nail.
        proximal_mm: diameter and length of the thicker part at the other end, mm. All defaults are our own.
        holes: the holes across it; the default are two for distal locking.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: middle of the distal end in the origin, +z the way it is driven. Key points `tip`, `tail`, and
        `hole_1`, … in the middle of the holes.

    Raises:
        ValueError: if a length is not positive, or a bore or hole does not fit.
        ImportError: without the extra `tools`.
    """
    diameter, length = lengths(diameter_mm=diameter_mm, length_mm=length_mm)
    wide, high = lengths(proximal_diameter_mm=proximal_mm[0], proximal_length_mm=proximal_mm[1])
    count, cone = segments_of(segments), abs(wide - diameter)
    below(length, "length_mm", proximal_length_mm=high + cone)
    bore = 0.0 if bore_mm == 0 else lengths(bore_mm=bore_mm)[0]
    below(diameter, "diameter_mm", bore_mm=bore)
    tip, r = diameter / 4, diameter / 2
    inner = bore / 2
    outer = [(inner, -length), (wide / 2, -length), (wide / 2, high - length), (r, high + cone - length), (r, -tip)]
    end = max(inner + 0.1 * (r - inner), 0.6 * r)
    profile = [*dict.fromkeys([*outer, (end, 0.0), (inner, 0.0)])]
    body = Body.of(Shape(*loft(lathe(profile, count, bored=bore > 0))))
    for hole in holes:
        below(length, "length_mm", from_tip_mm=hole.from_tip_mm + hole.diameter_mm)
        below(0.9 * diameter, "0.9 of diameter_mm", hole_diameter_mm=hole.diameter_mm)
    drills = [
        cylinder(hole.diameter_mm, 8 * wide, count)
        .rotated((0.0, hole.angle_deg, hole.turn_deg))
        .moved((0.0, 0.0, -hole.from_tip_mm))
        for hole in holes
    ]
    points = {f"hole_{n}": np.array([0.0, 0.0, -hole.from_tip_mm]) for n, hole in enumerate(holes, 1)}
    whole = body.without(*drills) if drills else body
    return whole.shape({"tip": np.zeros(3), "tail": np.array([0.0, 0.0, -length]), **points})


def hip_stem(
    length_mm: float = 150.0,
    *,
    ball_mm: float = 32.0,
    neck_mm: float = 13.0,
    offset_mm: float = 42.0,
    neck_angle_deg: float = 130.0,
    segments: int = 48,
) -> Shape:
    """A hip stem with its ball, in one piece: a tapered oval stem, a bend, a round neck, a ball.

    Args:
        length_mm: from the distal tip to the level at which the neck leaves the stem's axis, mm.
        ball_mm: diameter of the ball, mm.
        neck_mm: diameter of the neck, mm.
        offset_mm: distance of the ball's centre from the stem's axis, mm.
        neck_angle_deg: between neck and stem, degrees. All defaults are our own.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: distal tip in the origin, +z the way it is driven, the ball towards +x. Key points `tip`, `neck`
        (where the axes of neck and stem meet) and `center` of the ball.

    Raises:
        ValueError: if a length is not positive, or the parts do not fit each other.
    """
    length, ball, neck, offset = lengths(length_mm=length_mm, ball_mm=ball_mm, neck_mm=neck_mm, offset_mm=offset_mm)
    if not 110 <= neck_angle_deg <= 150:
        raise ValueError(f"neck_angle_deg must be 110 to 150 degrees, got {neck_angle_deg}")
    below(ball, "ball_mm", neck_mm=neck)
    below(offset, "offset_mm", half_of_ball_and_neck_mm=(ball + neck) / 2)
    bend = math.radians(180 - neck_angle_deg)
    corner = np.array([0.0, 0.0, -length])
    out = np.array([math.sin(bend), 0.0, -math.cos(bend)])
    center = corner + out * offset / math.sin(bend)
    rings = [
        np.zeros((1, 3)),
        *_stem_rings(corner, bend, neck, segments_of(segments)),
        *_neck_rings(corner, center, out, (neck, ball), segments_of(segments)),
    ]
    vertices, faces = loft(rings)
    return Shape(vertices, faces, {"tip": np.zeros(3), "neck": corner, "center": center})


def _stem_rings(corner: Array, bend: float, neck_mm: float, segments: int) -> list[Array]:
    """Ovals from the tip up the axis, and about the bend; they widen towards the neck."""
    length = -corner[2]
    found = []
    for share in np.concatenate([[0.004, 0.012, 0.025], np.linspace(0.05, 0.8, _RINGS)]):
        round_off = min(1.0, math.sqrt(share / 0.05) if share < 0.05 else 1.0)
        wide = round_off * (0.3 + 0.7 * share**2) * 2.2 * neck_mm
        deep = round_off * (0.35 + 0.30 * share) * 1.2 * neck_mm
        found.append(_oval(np.array([0.0, 0.0, -share * length]), 0.0, wide, deep, segments))
    return found


def _neck_rings(corner: Array, center: Array, out: Array, sizes_mm: tuple[float, float], segments: int) -> list[Array]:
    """Circles along the neck, and those of the ball; the last is its pole."""
    neck, ball = sizes_mm
    bend = math.atan2(out[0], -out[2])
    reach = float(np.linalg.norm(center - corner))
    start = math.pi - math.asin(neck / ball)
    foot = reach - ball / 2 * abs(math.cos(start))
    rings = [_oval(corner + out * foot * s, bend, neck, neck, segments) for s in (0.3, 0.65, 1.0)]
    for angle in np.linspace(start, 0.0, _RINGS + 1)[1:-1]:
        width = ball * math.sin(angle)
        rings.append(_oval(center + out * ball / 2 * math.cos(angle), bend, width, width, segments))
    return [*rings, (center + out * ball / 2)[None]]


def _oval(middle: Array, bend: float, wide_mm: float, deep_mm: float, segments: int) -> Array:
    """An oval [n, 3] across an axis that is bent from −z towards +x; counter-clockwise about it."""
    angles = 2 * np.pi * np.arange(segments) / segments
    across = np.array([math.cos(bend), 0.0, math.sin(bend)])
    return (
        middle
        + np.outer(wide_mm / 2 * np.cos(angles), across)
        - np.outer(deep_mm / 2 * np.sin(angles), [0.0, 1.0, 0.0])
    )
