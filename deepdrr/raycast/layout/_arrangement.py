"""What `with_kernel_layout` adds to values: a copy with another axis fastest, and maps of the occupied blocks.

Rays of neighbouring pixels that lie in a plane with the fastest axis form a fan, which reads whole rows of shared
voxels; other rays gather their voxels one by one. A C-arm that orbits a patient keeps one edge of its detector along
the patient; one that is tilted to head or feet keeps the other edge across. A grid in both orders serves both.

Materials share a volume: a voxel of one holds few others, so most blocks of most channels are zero, as are the blocks
around a region that was cut out. Blocks known to be zero are skipped.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from deepdrr._kernels import load_kernels, reason_not_loaded
from deepdrr._snapshot import Snapshot
from deepdrr.raycast._rays import CameraRays
from deepdrr.raycast.layout._memory_order import memory_order, placed

__all__ = ["Arrangement", "Layout", "edge_pitch"]

# Rows must hold at least as many voxels as a packet of the kernels has rays.
_SHORTEST_ROW = 16
# Fraction of all blocks: if more are occupied, finding the empty ones costs what it saves.
_WORTH_SKIPPING = 0.75
# Tolerated deviation of the step between pixels, in voxels, from an axis of the grid, as a fraction of the step.
_ASLANT = 1e-5


@dataclass(frozen=True, eq=False)
class Layout:
    """Values in one memory order.

    Attributes:
        values: [C, I, J, K] that the kernels can read in place.
        occupied: the kernels' map of the occupied blocks of each channel; None for no map.
    """

    values: Tensor
    occupied: Any | None = None

    @classmethod
    def mapped(cls, values: Tensor) -> Self:
        """The layout of values, with a map if many blocks are empty."""
        if reason_not_loaded() is not None:
            return cls(values)
        array = values.detach().permute(0, *(1 + axis for axis in memory_order(values))).numpy()
        blocks, filled = load_kernels().filled_blocks(array, torch.get_num_threads())
        return cls(values, blocks if filled <= _WORTH_SKIPPING else None)

    @property
    def fastest_axis(self) -> int:
        """The fastest axis: 0, 1 or 2."""
        return memory_order(self.values)[2]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What is known about values, valid as long as they are unchanged.

    Attributes:
        layout: the values.
        turned: the same values with another axis fastest, or None.
        made_of: the state of both when this was made; writes through `Tensor.numpy` go unnoticed.
    """

    layout: Layout
    turned: Layout | None
    made_of: Snapshot

    @classmethod
    def made(cls, values: Tensor) -> Self | None:
        """The arrangement of values [C, I, J, K] on the host; int16 is turned, unless its slowest axis is too short.

        None if there is nothing to keep, or torch does not count the writes.
        """
        if values.is_inference():
            return None
        slow, middle, fast = memory_order(values)
        turned = None
        if values.dtype == torch.int16 and values.shape[1 + slow] >= _SHORTEST_ROW:
            wanted = {slow: 1.0, middle: 2.0, fast: 3.0}  # as if spacings: the finest is the fastest
            turned = Layout.mapped(placed(values, [wanted[axis] for axis in range(3)], values.dtype))
        layout = Layout.mapped(values)
        if layout.occupied is None and turned is None:
            return None
        return cls(layout, turned, _snapshot(layout, turned))

    def serves(self, values: Tensor) -> bool:
        """Whether this still holds for these values: nothing was written to them or to their copy."""
        return values is self.layout.values and self.made_of == _snapshot(self.layout, self.turned)

    def suiting(self, rays: CameraRays, ijk_from_world: Tensor) -> Layout:
        """The layout in which more rays of a camera share their voxels."""
        if self.turned is None:
            return self.layout
        pitch = edge_pitch(rays, ijk_from_world)
        return self.turned if pitch[self.turned.fastest_axis] < pitch[self.layout.fastest_axis] else self.layout


def _snapshot(*layouts: Layout | None) -> Snapshot:
    return Snapshot(*(layout.values for layout in layouts if layout is not None))


def edge_pitch(rays: CameraRays, ijk_from_world: Tensor) -> list[float]:
    """Distance between pixels along I, J and K, in voxels at the detector, for axes parallel to one of its edges.

    Infinite for an axis to which no edge is parallel in most views.
    """
    steps = [
        (places.take(1, axis) - places.take(0, axis)).reshape(-1, 3)
        for places, axis in zip(rays.target_lines, (-3, -2), strict=True)
        if places.shape[axis] > 1
    ]
    if not steps:
        return [np.inf] * 3
    rows = ijk_from_world.detach().cpu().double().numpy()[:3, :3]
    voxels = np.abs(np.stack(steps) @ rows.T)  # [edges, views, 3]
    others = np.maximum(voxels[..., [1, 2, 0]], voxels[..., [2, 0, 1]])
    straight = 2 * np.count_nonzero(others <= _ASLANT * voxels, axis=1) > voxels.shape[1]
    middle = np.sort(voxels, axis=1)[:, voxels.shape[1] // 2]
    pitch: list[float] = np.where(straight, middle, np.inf).min(0).tolist()
    return pitch
