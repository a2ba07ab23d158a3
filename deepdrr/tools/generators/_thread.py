"""The helical surface of a screw's thread.

A profile of one pitch is carried along a helix: point p of the profile at step k lies at the angle 2πk/n and the height
z = pitch·k/n + offset_p, so that the last point of a turn is the first of the next. Every meridian rises all the way:
the surface cannot meet itself.
"""

import math
from dataclasses import dataclass

import numpy as np

from deepdrr._numbers import plain_fields
from deepdrr.tools.generators._shape import Array, Faces, below, lengths

__all__ = ["Thread", "threaded"]

_LEAST_TURNS = 3


@dataclass(frozen=True)
class Thread:
    """The thread of a bone screw, right-handed, of a buttress profile.

    Attributes:
        diameter_mm: outer diameter, mm.
        core_mm: diameter of the core, mm.
        pitch_mm: advance per turn, mm.
        crest_mm: width of the crest, mm.
        leading_deg, trailing_deg: angles of the flank towards the tip and of that towards the head from the plane
            across the axis, degrees.

    Raises:
        ValueError: if a length is not positive, the core not thinner than the thread, or the profile wider than the
            pitch.
    """

    diameter_mm: float
    core_mm: float
    pitch_mm: float
    crest_mm: float = 0.1
    leading_deg: float = 35.0
    trailing_deg: float = 3.0

    def __post_init__(self) -> None:
        plain_fields(self)
        lengths(diameter_mm=self.diameter_mm, core_mm=self.core_mm, pitch_mm=self.pitch_mm, crest_mm=self.crest_mm)
        below(self.diameter_mm, "the thread's diameter_mm", core_mm=self.core_mm)
        for name, angle in (("leading_deg", self.leading_deg), ("trailing_deg", self.trailing_deg)):
            if not 1 <= angle <= 60:
                raise ValueError(f"{name} must be 1 to 60 degrees, got {angle}")
        below(self.pitch_mm, "pitch_mm", profile_mm=self.offsets_mm[-1])

    @property
    def offsets_mm(self) -> tuple[float, float, float, float]:
        """Heights of the profile's corners: foot, crest, crest, foot; towards the tip, mm."""
        depth = (self.diameter_mm - self.core_mm) / 2
        rise, fall = (depth * math.tan(math.radians(a)) for a in (self.trailing_deg, self.leading_deg))
        return 0.0, rise, rise + self.crest_mm, rise + self.crest_mm + fall


def threaded(
    thread: Thread, between_mm: tuple[float, float], low_ring: Faces, high_ring: Faces, *, first: int
) -> tuple[Array, Faces]:
    """The helical surface between two rings about z of the core's radius.

    The thread rises from the core over its first turn, and falls back over its last.

    Args:
        thread: profile and pitch.
        between_mm: heights of the rings, mm.
        low_ring, high_ring: their indices [n].
        first: index of the first new vertex.

    Returns:
        The new vertices [V, 3] and the faces [F, 3] between the rings.

    Raises:
        ValueError: if there is no room for four turns.
    """
    segments, pitch, room = len(low_ring), thread.pitch_mm, between_mm[1] - between_mm[0]
    turns = math.floor(room / pitch - 0.1) - 1
    if turns < _LEAST_TURNS:
        raise ValueError(f"thread_mm must have room for {_LEAST_TURNS + 1} turns of {pitch:g} mm, got {room:.3g} mm")
    start = between_mm[0] + (room - pitch * (turns + 1)) / 2
    index = _indices(segments, turns * segments, first)
    vertices = _vertices(thread, segments, turns * segments, start)
    return vertices, np.concatenate([_flanks(index), _under(index, low_ring), _over(index, high_ring)])


def _indices(segments: int, steps: int, first: int) -> Faces:
    """Indices of the vertices [steps + 1, 5] of the profile's four corners and of the first corner a turn later."""
    feet = first + np.arange(steps + segments + 1)
    others = first + len(feet) + np.arange(3 * (steps + 1)).reshape(-1, 3)
    return np.column_stack([feet[: steps + 1], others, feet[segments:]])


def _vertices(thread: Thread, segments: int, steps: int, start_mm: float) -> Array:
    feet, rest = np.arange(steps + segments + 1), np.arange(steps + 1)
    grown = np.clip(np.minimum(rest, steps - rest) / segments, 0, 1)
    core, top = thread.core_mm / 2, thread.diameter_mm / 2
    crest = core + (top - core) * grown
    radii = np.stack([crest, crest, np.full(len(rest), core)], axis=1)
    turn = np.concatenate([feet, np.repeat(rest, 3)])
    radius = np.concatenate([np.full(len(feet), core), radii.ravel()])
    offset = np.concatenate([np.zeros(len(feet)), np.tile(thread.offsets_mm[1:], len(rest))])
    angle = 2 * np.pi * (turn % segments) / segments
    z = start_mm + thread.pitch_mm * turn / segments + offset
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def _flanks(index: Faces) -> Faces:
    """Two triangles for each step along the helix and along the profile."""
    here, ahead = index[:-1], index[1:]
    a, b, c, d = here[:, :-1], ahead[:, :-1], ahead[:, 1:], here[:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def _under(index: Faces, ring: Faces) -> Faces:
    """From the ring below to the first turn. Its last column ends at the step of the helix, one profile high."""
    n = len(ring)
    foot, after, up = ring, np.roll(ring, -1), index[: n + 1, 0]
    plain = [np.stack([foot, after, up[1:]], -1)[:-1], np.stack([foot, up[1:], up[:-1]], -1)[:-1]]
    step = index[0]  # from the ring's height up to the end of the first turn
    fan = [np.stack([step[:-1], step[1:], np.full(len(step) - 1, up[n - 1])], -1)]
    last = np.array([[foot[-1], after[-1], up[n - 1]], [after[-1], step[0], up[n - 1]]])
    return np.concatenate([*plain, *fan, last])


def _over(index: Faces, ring: Faces) -> Faces:
    """From the last turn to the ring above. Its first column begins at the step of the helix."""
    top, step = index[-1 - len(ring) :, -1], index[-1]
    apex = top[1]
    fan = np.stack([np.full(len(step) - 1, apex), step[1:], step[:-1]], -1)
    above, after = ring, np.roll(ring, -1)
    first = np.array([[apex, after[0], above[0]], [apex, above[0], step[-1]]])
    plain = [np.stack([top[:-1], top[1:], after], -1)[1:], np.stack([top[:-1], after, above], -1)[1:]]
    return np.concatenate([fan, first, *plain])
