"""Bone screws: cortical, cancellous, pedicle; solid or cannulated."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from deepdrr._names import unknown_name
from deepdrr.tools.generators._cuts import Body, box, cylinder
from deepdrr.tools.generators._loft import Profile, circle, lathe, loft, stitched
from deepdrr.tools.generators._shape import Array, Shape, below, lengths, segments_of
from deepdrr.tools.generators._thread import Thread, threaded

__all__ = ["ISO_5835", "bone_screw", "pedicle_screw", "screw"]

_HEXAGON = 6
_ARC = 6  # rings of the head's round underside

ISO_5835: Mapping[str, tuple[Thread, float]] = MappingProxyType(
    {
        "HA 3.5": (Thread(diameter_mm=3.5, core_mm=2.4, pitch_mm=1.25), 6.0),
        "HA 4.5": (Thread(diameter_mm=4.5, core_mm=3.0, pitch_mm=1.75), 8.0),
        "HB 6.5": (Thread(diameter_mm=6.5, core_mm=3.0, pitch_mm=2.75, leading_deg=25.0, trailing_deg=5.0), 8.0),
    }
)
"""Thread and diameter of the head, mm, of bone screws with a hexagonal drive and spherical under-surface of the head
(ISO 5835). HA: shallow thread, cortical bone; HB: deep thread, cancellous bone. Diameters and pitch are the
standard's nominal values; flank angles are those commonly quoted for it (35° and 3°, 25° and 5°);
the crest is our own."""


def bone_screw(
    kind: str = "HA 3.5",
    length_mm: float = 40.0,
    *,
    thread_mm: float | None = None,
    bore_mm: float = 0.0,
    segments: int = 36,
) -> Shape:
    """A screw with the thread and head of ISO 5835, see `ISO_5835`.

    Args:
        kind: `"HA 3.5"` or `"HA 4.5"` (cortical), `"HB 6.5"` (cancellous).
        length_mm: from the top of the head to the tip, mm.
        thread_mm: length of the thread with the tip, mm; None for all of the shaft.
        bore_mm: diameter of the cannulation, mm; 0 for none. The standard's screws have none.
        segments: corners of the polygon that stands for a circle, rounded up to a multiple of 6.

    Returns:
        The surface: tip in the origin, +z the way the tip points. Key points `tip` and `head`.

    Raises:
        ValueError: for an unknown kind, or lengths that do not fit.

    Example:
        >>> bone_screw("HA 3.5", 40.0).key_points["head"].tolist()
        [0.0, 0.0, -40.0]
    """
    if kind not in ISO_5835:
        raise unknown_name("screw", kind, ISO_5835)
    thread, head = ISO_5835[kind]
    return screw(thread, length_mm, head_mm=head, thread_mm=thread_mm, bore_mm=bore_mm, segments=segments)


def screw(
    thread: Thread,
    length_mm: float,
    *,
    head_mm: float,
    thread_mm: float | None = None,
    shaft_mm: float | None = None,
    bore_mm: float = 0.0,
    segments: int = 36,
) -> Shape:
    """A screw with a round head with a hexagonal socket.

    Proportions that no standard's name gives are our own: a head 0.55 of its diameter high, a socket of 0.55 of the
    head's diameter across flats and half the head deep, a conical tip as long as the core is thick.

    Args:
        thread: profile and pitch.
        length_mm: from the top of the head to the tip, mm.
        head_mm: diameter of the head, mm.
        thread_mm: length of the thread with the tip, mm; None for all of the shaft.
        shaft_mm: diameter of the shaft without thread, mm; by default that of the core.
        bore_mm: diameter of the cannulation, mm; 0 for none.
        segments: corners of the polygon that stands for a circle, rounded up to a multiple of 6.

    Returns:
        The surface: tip in the origin, +z the way the tip points. Key points `tip` and `head`.

    Raises:
        ValueError: if a length is not positive, or the parts do not fit each other.
    """
    length, head = lengths(length_mm=length_mm, head_mm=head_mm)
    shaft = thread.core_mm if shaft_mm is None else lengths(shaft_mm=shaft_mm)[0]
    below(head, "head_mm", thread_diameter_mm=thread.diameter_mm, shaft_mm=shaft)
    count = segments_of(segments, _HEXAGON)
    bore, neck = _bore(bore_mm, thread.core_mm), -length + 0.55 * head
    top: Profile = [
        (bore / 2, -length + 0.275 * head),
        *_socket(head, length, count),
        *_head(head, shaft, length, neck),
    ]
    room = -neck if thread_mm is None else lengths(thread_mm=thread_mm)[0]
    if room > -neck:
        raise ValueError(f"thread_mm must be at most the shaft's length, {-neck:.3g} mm, got {room:g}")
    return _assembled(
        thread, top, shaft, room, bore, count, {"tip": np.zeros(3), "head": np.array([0.0, 0.0, -length])}
    )


def pedicle_screw(
    diameter_mm: float = 6.5,
    length_mm: float = 45.0,
    *,
    rod_mm: float = 5.5,
    bore_mm: float = 0.0,
    segments: int = 36,
) -> Shape:
    """A pedicle screw with a fork for a rod. All proportions are our own.

    The thread is 0.7 of its diameter at the core and has a pitch of 0.4 of it. The fork is a cylinder of 2.2 rod
    diameters, 2.6 high, with a slot that is round at the bottom and open at the top. Needs the extra `tools`.

    Args:
        diameter_mm: outer diameter of the thread, mm.
        length_mm: of the shank below the fork, mm.
        rod_mm: diameter of the rod, mm.
        bore_mm: diameter of the cannulation, mm; 0 for none.
        segments: corners of the polygon that stands for a circle.

    Returns:
        The surface: tip in the origin, +z the way the tip points, the rod along x. Key points `tip`, `head` (top of
        the fork) and `rod` (the middle of the rod's place).

    Raises:
        ValueError: if a length is not positive, or the parts do not fit each other.
        ImportError: without the extra `tools`.
    """
    diameter, length, rod = lengths(diameter_mm=diameter_mm, length_mm=length_mm, rod_mm=rod_mm)
    thread = Thread(
        diameter_mm=diameter, core_mm=0.7 * diameter, pitch_mm=0.4 * diameter, trailing_deg=5.0, leading_deg=25.0
    )
    count, bore = segments_of(segments), _bore(bore_mm, thread.core_mm)
    wide, high = 2.2 * rod, 2.6 * rod
    below(wide, "the fork's diameter (2.2 rod_mm)", diameter_mm=diameter)
    seat, end = -length - 0.8 * rod, -length - high
    solid = [(0, end), (wide / 2, end), (wide / 2, -length), (thread.core_mm / 2, -length)]
    points = {"tip": np.zeros(3), "head": np.array([0.0, 0.0, end]), "rod": np.array([0.0, 0.0, seat])}
    whole = _assembled(thread, solid, thread.core_mm, length, 0.0, count, points)
    slot = cylinder(rod, 2 * wide, count).rotated((0.0, 90.0, 0.0)).moved((0, 0, seat))
    opening = box((2 * wide, rod, high)).moved((0, 0, seat - high / 2))
    cut = Body.of(whole).without(slot, opening)
    if bore:
        cut = cut.without(cylinder(bore, 2 * (length + high), count))
    return cut.shape(points)


def _bore(bore_mm: float, core_mm: float) -> float:
    if bore_mm == 0:
        return 0.0
    (bore,) = lengths(bore_mm=bore_mm)
    below(core_mm, "the core's diameter", bore_mm=bore)
    return bore


def _socket(head_mm: float, length_mm: float, segments: int) -> list[tuple[Array, float]]:
    """The hexagon at the bottom of the socket and at its edge; 0.55 of the head across flats."""
    angles = 2 * np.pi * np.arange(segments) / segments
    from_flat = (angles + np.pi / _HEXAGON) % (2 * np.pi / _HEXAGON) - np.pi / _HEXAGON
    hexagon = 0.275 * head_mm / np.cos(from_flat)
    return [(hexagon, -length_mm + 0.275 * head_mm), (hexagon, -length_mm)]


def _head(head_mm: float, shaft_mm: float, length_mm: float, neck_mm: float) -> list[tuple[float, float]]:
    """The flat top, a short cylinder, and the round underside down to the shaft."""
    wide, side = head_mm / 2, -length_mm + 0.1 * head_mm
    angles = np.linspace(0, math.acos(shaft_mm / head_mm), _ARC + 1)
    sag = np.sin(angles) / math.sin(angles[-1]) * (neck_mm - side)
    return [(wide, -length_mm), *((wide * math.cos(a), side + s) for a, s in zip(angles, sag, strict=True))]


def _assembled(
    thread: Thread,
    top: Profile,
    shaft_mm: float,
    thread_mm: float,
    bore_mm: float,
    segments: int,
    key_points: Mapping[str, Array],
) -> Shape:
    """Head and shaft, of which `top` is the profile down to the neck, then the thread, then a conical tip."""
    core, tip_mm = thread.core_mm / 2, thread.core_mm
    start = -thread_mm + abs(shaft_mm / 2 - core)
    profile = [*top, (shaft_mm / 2, -thread_mm), (core, start)]
    kept = [at for n, at in enumerate(profile) if n == 0 or not _same(at, profile[n - 1])]
    vertices, faces = loft(lathe(kept, segments))
    point = circle(bore_mm / 2, 0.0, segments) if bore_mm else np.zeros((1, 3))
    end, tail = np.concatenate([circle(core, -tip_mm, segments), point]), len(vertices)
    low, high = np.arange(tail - segments, tail), np.arange(tail, tail + segments)
    last = np.arange(tail + segments, tail + len(end))
    helix, flanks = threaded(thread, (start, -tip_mm), low, high, first=tail + len(end))
    parts = [faces, flanks, stitched(high, last)]
    if bore_mm:
        parts.append(stitched(last, np.arange(segments)))
    return Shape(np.concatenate([vertices, end, helix]), np.concatenate(parts), key_points)


def _same(a: tuple[float | Array, float | Array], b: tuple[float | Array, float | Array]) -> bool:
    return bool(np.allclose(a[0], b[0], rtol=1e-9) and np.allclose(a[1], b[1], rtol=1e-9))
