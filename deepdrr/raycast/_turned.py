"""The values of a field once more, with another axis fastest in memory: `Turned`.

Rays of neighbouring pixels that lie in one plane with the fastest axis read whole rows of voxels that they share; other
rays gather theirs one by one. A C-arm that orbits a patient keeps one edge of its detector along the patient; one that
is tilted to head or feet keeps the other edge across. A grid that lies both ways serves both.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from deepdrr.raycast._layout import memory_order, placed
from deepdrr.raycast._rays import PixelRays

__all__ = ["Turned", "edge_pitch"]

# Rows must hold as many voxels as the kernels have rays side by side.
_SHORTEST_ROW = 16
# Of the way from one pixel to the next, in voxels: what it may differ in from an axis of the grid.
_ASLANT = 1e-5


@dataclass(frozen=True, eq=False)
class Turned:
    """A copy of values with another axis fastest.

    Attributes:
        values: the same numbers [C, I, J, K], other strides.
        of: what was copied.
        versions: of both, when the copy was made.
    """

    values: Tensor
    of: Tensor
    versions: tuple[int, int]

    @classmethod
    def copied(cls, values: Tensor) -> Self | None:
        """Values [C, I, J, K] with the slowest axis fastest; None where that is too short for it."""
        slow, middle, fast = memory_order(values)
        if values.shape[1 + slow] < _SHORTEST_ROW:
            return None
        wanted = {slow: 1.0, middle: 2.0, fast: 3.0}  # as if these were the spacings: the finest is the fastest
        turned = placed(values, [wanted[axis] for axis in range(3)], values.dtype)
        return cls(turned, values, (turned._version, values._version))

    def serves(self, values: Tensor) -> bool:
        """Whether this is still a copy of these values: none of the two was written to since."""
        return values is self.of and self.versions == (self.values._version, values._version)


def edge_pitch(rays: PixelRays, ijk_from_world: Tensor) -> list[float]:
    """How far apart pixels are along I, J and K, in voxels on the detector, if an edge of it runs along that axis.

    Infinite along an axis that no edge runs along in most of the views.
    """
    places = zip(rays.target_lines, (-3, -2), strict=True)
    steps = [lines.narrow(axis, 0, 2).diff(dim=axis).reshape(-1, 3) for lines, axis in places if lines.shape[axis] > 1]
    rows = ijk_from_world.detach()[:3, :3].to(rays.target_lines[0].dtype)
    voxels = [(step @ rows.T).abs() for step in steps]
    return [min((_along(step, axis) for step in voxels), default=torch.inf) for axis in range(3)]


def _along(steps: Tensor, axis: int) -> float:
    """The median length of steps [N, 3], voxels, along an axis; infinite where most go aslant."""
    length, others = steps[:, axis], steps[:, [a for a in range(3) if a != axis]].amax(1)
    straight = others <= _ASLANT * length
    return float(length.median()) if float(straight.double().mean()) > 0.5 else torch.inf
