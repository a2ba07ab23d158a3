"""Closed surfaces from rings of points: the lathe, and a tube along a curve.

A loft is a list of rings of n points each, or of single points (poles), with triangles between neighbours. Rings that
turn counter-clockwise about the direction in which they follow each other have their faces outward.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from deepdrr.tools.generators._shape import Array, Faces

__all__ = ["Profile", "circle", "lathe", "loft", "stitched"]

Profile: TypeAlias = Sequence[tuple[float | Array, float | Array]]


def circle(radius_mm: float | Array, z_mm: float | Array, segments: int, turn_rad: float = 0.0) -> Array:
    """A ring [n, 3] about z: points at the angles 2πi/n + turn, at one radius and height or at n of them."""
    angles = 2 * np.pi * np.arange(segments) / segments + turn_rad
    radius, z = np.broadcast_to(radius_mm, segments), np.broadcast_to(z_mm, segments)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles), z], axis=1).astype(np.float64)


def lathe(profile: Profile, segments: int, *, bored: bool = False) -> list[Array]:
    """Rings of a body turned about z, from its profile (radius, z), mm, in order from one end to the other.

    A radius of 0 is a pole. A `bored` body is a loop: the profile goes round its wall, outside first.
    """
    rings = []
    for radius, z in profile:
        pole = np.ndim(radius) == 0 and radius == 0
        rings.append(np.array([[0.0, 0.0, float(z)]]) if pole else circle(radius, z, segments))
    return [*rings, rings[0]] if bored else rings


def loft(rings: Sequence[Array]) -> tuple[Array, Faces]:
    """Vertices [V, 3] and faces [F, 3] of a surface through rings; the last ring may be the first one again."""
    kept: list[Array] = []
    indices: list[Faces] = []
    known: dict[int, Faces] = {}
    total = 0
    for ring in rings:
        if id(ring) not in known:
            known[id(ring)] = np.arange(total, total + len(ring))
            kept.append(ring)
            total += len(ring)
        indices.append(known[id(ring)])
    faces = [stitched(low, high) for low, high in pairwise(indices)]
    return np.concatenate(kept), np.concatenate(faces)


def stitched(low: Faces, high: Faces) -> Faces:
    """Triangles between two rings of indices, one of which may be a pole."""
    if len(low) == 1:
        return np.stack([np.roll(high, -1), high, np.full(len(high), low[0])], axis=1)
    after_low = np.roll(low, -1)
    if len(high) == 1:
        return np.stack([low, after_low, np.full(len(low), high[0])], axis=1)
    after_high = np.roll(high, -1)
    return np.concatenate([np.stack([low, after_low, after_high], 1), np.stack([low, after_high, high], 1)])
