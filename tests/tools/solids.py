"""Meshes of simple bodies for the tests, as fine as asked for; each with its closed form elsewhere."""

import numpy as np
import torch

from deepdrr.tools import Mesh


def revolved(profile: np.ndarray, around: int, closed: bool = False) -> Mesh:
    """A body of revolution about z.

    Args:
        profile: (radius, z) [N, 2] of its outline; unless closed, from one point of the axis to another, upwards.
        around: number of sides.
        closed: whether the outline is a ring beside the axis, counterclockwise in (radius, z).
    """
    angle = 2 * np.pi * np.arange(around) / around
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    middle = profile if closed else profile[1:-1]
    n = len(middle)
    points = np.concatenate(
        [middle[:, None, :1] * ring, np.broadcast_to(middle[:, None, 1:], (n, around, 1))], axis=-1
    ).reshape(-1, 3)
    here = np.arange(n * around).reshape(n, around)
    below, above = (here, np.roll(here, -1, axis=0)) if closed else (here[:-1], here[1:])
    faces = [quads(below, above)]
    if not closed:
        points = np.concatenate([points, [[0, 0, profile[0, 1]], [0, 0, profile[-1, 1]]]])
        first, last = here[0], here[-1]
        faces.append(np.stack([np.full(around, n * around), np.roll(first, -1), first], axis=-1))
        faces.append(np.stack([np.full(around, n * around + 1), last, np.roll(last, -1)], axis=-1))
    return Mesh(points, np.concatenate(faces))


def quads(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    a, b, c, d = below, np.roll(below, -1, axis=1), np.roll(above, -1, axis=1), above
    return np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)


def sphere(radius: float, around: int = 48) -> Mesh:
    latitude = np.linspace(-np.pi / 2, np.pi / 2, around // 2 + 1)
    return revolved(radius * np.stack([np.cos(latitude), np.sin(latitude)], axis=-1), around)


def cylinder(radius: float, height: float, around: int = 48) -> Mesh:
    h = height / 2
    return revolved(np.array([[0, -h], [radius, -h], [radius, h], [0, h]], dtype=float), around)


def tube(inner: float, outer: float, height: float, around: int = 48) -> Mesh:
    h = height / 2
    return revolved(np.array([[inner, -h], [outer, -h], [outer, h], [inner, h]], dtype=float), around, closed=True)


def torus(ring: float, radius: float, around: int = 48) -> Mesh:
    angle = 2 * np.pi * np.arange(around) / around
    outline = np.stack([ring + radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return revolved(outline, around, closed=True)


def box(x: float, y: float, z: float) -> Mesh:
    corners = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)]) * (x, y, z)
    sides = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    return Mesh(corners, [f for a, b, c, d in sides for f in ((a, b, c), (a, c, d))])


def turned_around(mesh: Mesh) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices and faces of a mesh that is inside out."""
    return mesh.vertices, mesh.faces.flip(-1)
