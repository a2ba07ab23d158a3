"""What a `Mesh` refuses: numbers that are none, and surfaces that do not tell inside from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.geometry import ArrayLike

__all__ = ["Defects", "check_closed", "check_faces", "check_vertices", "defects", "winding_number"]

Points = NDArray[np.float64]
Faces = NDArray[np.int64]

# Twice the area of a face, relative to the square of its longest edge: below it, its normal is rounding.
_NO_AREA = 1e-12


def check_vertices(vertices: ArrayLike | Sequence[Any]) -> Tensor:
    """Corners as float64 [V, 3] on the host, with their gradient.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if the shape is another, or one is not finite.
    """
    found = _as_tensor(vertices, "vertices").to("cpu", torch.float64)
    if found.ndim != 2 or found.shape[1] != 3 or not len(found):
        raise ValueError(f"vertices must be [V, 3], got shape {tuple(found.shape)}")
    if len(bad := (~torch.isfinite(found.detach()).all(dim=1)).nonzero()[:, 0]):
        first = int(bad[0])
        raise ValueError(
            f"vertices must be finite, got NaN or infinity in {len(bad)} of {len(found)}, first in number {first}: "
            f"{found.detach()[first].tolist()}"
        )
    return found


def check_faces(faces: ArrayLike | Sequence[Any], count: int) -> Tensor:
    """Faces as int64 [F, 3] on the host.

    Raises:
        TypeError: if they are no whole numbers.
        ValueError: if there is none, the shape is another, or a corner does not exist.
    """
    found = _as_tensor(faces, "faces")
    if (found.is_floating_point() and found.numel()) or found.dtype == torch.bool or found.is_complex():
        raise TypeError(f"faces must be whole numbers of vertices, got dtype {found.dtype}")
    if not found.numel():
        raise ValueError("faces must hold at least one triangle, got none: the mesh is empty")
    if found.ndim != 2 or found.shape[1] != 3:
        raise ValueError(f"faces must be triangles [F, 3], got shape {tuple(found.shape)}")
    low, high = int(found.min()), int(found.max())
    if low < 0 or high >= count:
        raise ValueError(f"faces must hold numbers of vertices, 0 to {count - 1}, got {low} to {high}")
    return found.to("cpu", torch.int64).contiguous()


def _as_tensor(values: ArrayLike | Sequence[Any], name: str) -> Tensor:
    try:
        return values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be an array of numbers, got {type(values).__name__}: {error}") from None


@dataclass(frozen=True, eq=False)
class Defects:
    """Where a surface does not tell inside from outside; each as places [N, 3], mm.

    Attributes:
        open_edges: middles of edges with a face on one side only.
        flipped_edges: middles of edges whose faces run the same way along it: one is wound the other way round.
        torn_edges: middles of edges of more than two faces which do not pair up.
        flat_faces: centres of faces without an area.
    """

    open_edges: Points
    flipped_edges: Points
    torn_edges: Points
    flat_faces: Points

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(len(places) for places in self._named.values())

    @property
    def in_words(self) -> str:
        """Their numbers, each with the place of the first."""
        return "; ".join(
            f"{len(places)} {what}, the first at ({', '.join(f'{c:.4g}' for c in places[0])}) mm"
            for what, places in self._named.items()
            if len(places)
        )

    @property
    def _named(self) -> dict[str, Points]:
        return {
            "open edges": self.open_edges,
            "edges between faces of opposite winding": self.flipped_edges,
            "edges whose faces do not pair up": self.torn_edges,
            "faces without an area": self.flat_faces,
        }


def defects(vertices: Points, faces: Faces) -> Defects:
    """Where a surface does not tell inside from outside.

    Args:
        vertices: [V, 3], mm.
        faces: [F, 3].

    Example:
        >>> corners = np.array([[0.0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]])
        >>> defects(corners, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3]])).in_words
        '3 open edges, the first at (0, 15, 0) mm'
    """
    corners = vertices[faces]
    longest = np.max([((corners[:, k] - corners[:, k - 1]) ** 2).sum(axis=1) for k in range(3)], axis=0)
    twice_area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    flat = corners[twice_area <= _NO_AREA * longest].mean(axis=1)
    start, end = faces, np.roll(faces, -1, axis=1)
    keys = (np.minimum(start, end) * len(vertices) + np.maximum(start, end)).ravel()
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    uses = np.diff(first, append=len(keys))
    balance = np.add.reduceat(np.where((start < end).ravel()[order], 1, -1), first)
    middles = (vertices[start] + vertices[end]).reshape(-1, 3)[order[first]] / 2
    wrong = balance != 0
    return Defects(middles[uses == 1], middles[wrong & (uses == 2)], middles[wrong & (uses > 2)], flat)


def check_closed(vertices: Points, faces: Faces) -> int:
    """Check that a surface has an inside, and count its shells.

    Raises:
        ValueError: with the number and place of what is wrong.
    """
    if found := defects(vertices, faces):
        raise ValueError(f"a mesh must be closed, got {found.in_words}; Mesh.from_file(…, repair='fill') closes holes")
    count, shell_of = _shells(faces, len(vertices))
    corners = vertices[faces] - vertices.mean(axis=0)
    sixth = np.einsum("fi,fi->f", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2])
    volumes = np.bincount(shell_of, weights=sixth, minlength=count)
    lost = [n for n in np.flatnonzero(volumes <= 0).tolist() if not _is_hollow(n, shell_of, vertices, faces)]
    if lost:
        where = ", ".join(f"{c:.4g}" for c in vertices[faces[shell_of == lost[0]][0, 0]])
        raise ValueError(
            f"a mesh must have normals that point outwards, got {len(lost)} of {count} shells inside out, the first at "
            f"({where}) mm: turn their faces around"
        )
    return count


def _shells(faces: Faces, count: int) -> tuple[int, NDArray[np.int64]]:
    """Number of connected parts, and that of each face."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    start, end = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    links = coo_array((np.ones(len(start), dtype=np.int8), (start, end)), shape=(count, count))
    parts = connected_components(links, directed=False)[1][faces[:, 0]]
    _, shell_of = np.unique(parts, return_inverse=True)  # corners that no face uses are no shell
    return int(shell_of.max()) + 1, shell_of


def _is_hollow(shell: int, shell_of: NDArray[np.int64], vertices: Points, faces: Faces) -> bool:
    """Whether a shell that is wound the other way lies inside another: a hollow."""
    own = shell_of == shell
    return bool(winding_number(vertices[faces[own][0, 0]], vertices[faces[~own]]) > 0.5)


def winding_number(point: Points, corners: Points) -> float:
    """How often a surface winds around a point: the sum of its solid angles over 4π (van Oosterom and Strackee 1983).

    Args:
        point: [3].
        corners: those of each face [F, 3, 3].
    """
    a, b, c = np.moveaxis(corners - point, 1, 0)
    la, lb, lc = (np.linalg.norm(side, axis=1) for side in (a, b, c))
    volume = np.einsum("fi,fi->f", a, np.cross(b, c))
    ab, bc, ca = (np.einsum("fi,fi->f", one, other) for one, other in ((a, b), (b, c), (c, a)))
    return float(np.arctan2(volume, la * lb * lc + ab * lc + bc * la + ca * lb).sum() / (2 * np.pi))
