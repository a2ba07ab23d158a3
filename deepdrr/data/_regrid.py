"""Other grids over the same patient: a part of the voxels, or voxels of another size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepdrr.geometry import transform_points

__all__ = ["Box", "as_spacing", "crop_box", "cropped_affine", "resample_linear", "resample_nearest", "resampled_grid"]

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Box:
    """Voxels `first ≤ index < stop` along i, j, k."""

    first: Shape
    stop: Shape

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """For indexing a tensor [I, J, K]."""
        i, j, k = (slice(a, b) for a, b in zip(self.first, self.stop, strict=True))
        return i, j, k

    def within(self, shape: Shape) -> "Box":
        """The part on a grid.

        Raises:
            ValueError: if the box lies off the grid.
        """
        first = tuple(max(0, int(a)) for a in self.first)
        stop = tuple(min(n, int(b)) for n, b in zip(shape, self.stop, strict=True))
        if any(a >= b for a, b in zip(first, stop, strict=True)):
            raise ValueError(
                f"the box must hold voxels of the {'×'.join(map(str, shape))} grid, got indices from {self.first} "
                f"up to {self.stop}"
            )
        return Box((first[0], first[1], first[2]), (stop[0], stop[1], stop[2]))


def crop_box(
    ijk: tuple[Shape, Shape] | None,
    anatomical: tuple[Tensor, Tensor] | None,
    margin_mm: float,
    anatomical_from_ijk: Tensor,
) -> Box:
    """The index box that `Volume.crop` was asked for.

    Args:
        ijk: first voxel, and the one past the last.
        anatomical: two opposite corners, RAS mm [3], of a box with edges along right, anterior and superior; the
            result is the smallest index box over it.
        margin_mm: added to the anatomical box on all sides.
        anatomical_from_ijk: affine of the grid [4, 4].

    Raises:
        ValueError: if not exactly one of the two is given.
    """
    if (ijk is None) == (anatomical is None):
        raise ValueError(f"crop takes one of ijk and anatomical, got ijk={ijk} and anatomical={anatomical}")
    if anatomical is None:
        assert ijk is not None
        return Box(*ijk)
    low, high = torch.minimum(*anatomical) - margin_mm, torch.maximum(*anatomical) + margin_mm
    corners = torch.cartesian_prod(*torch.stack([low, high], dim=1))
    index = transform_points(torch.linalg.inv(anatomical_from_ijk), corners)
    # A voxel reaches half an index to either side; 1e-6 keeps rounding from adding an empty layer.
    first = torch.floor(index.amin(dim=0) + 0.5 + 1e-6).int().tolist()
    stop = (torch.ceil(index.amax(dim=0) - 0.5 - 1e-6).int() + 1).tolist()
    return Box((first[0], first[1], first[2]), (stop[0], stop[1], stop[2]))


def as_spacing(spacing_mm: float | Sequence[float]) -> tuple[float, float, float]:
    """One spacing for all axes, or one for each.

    Raises:
        ValueError: if they are not one or three positive numbers.
    """
    lengths: Any = np.asarray(spacing_mm, dtype=np.float64).tolist()
    given = (lengths,) * 3 if isinstance(lengths, float) else tuple(lengths)
    if len(given) != 3 or not all(math.isfinite(s) and s > 0 for s in given):
        raise ValueError(f"spacing_mm must be one or three positive lengths in mm, got {spacing_mm}")
    return given[0], given[1], given[2]


def cropped_affine(anatomical_from_ijk: Tensor, box: Box) -> Tensor:
    """Affine of the voxels in a box."""
    affine = anatomical_from_ijk.clone()
    affine[:3, 3] = transform_points(anatomical_from_ijk, torch.tensor(box.first, dtype=torch.float64))
    return affine


def resampled_grid(
    shape: Shape, anatomical_from_ijk: Tensor, spacing_mm: tuple[float, float, float]
) -> tuple[Shape, Tensor]:
    """The grid with the same centre and axes and another spacing.

    Args:
        shape: size now.
        anatomical_from_ijk: affine now.
        spacing_mm: distance of voxel centres along i, j, k.

    Returns:
        Size (the nearest that covers the extent) and affine.
    """
    old = anatomical_from_ijk[:3, :3].norm(dim=0)
    new = torch.tensor(spacing_mm, dtype=torch.float64)
    size = [max(1, round(n * float(o) / float(s))) for n, o, s in zip(shape, old, new, strict=True)]
    affine = anatomical_from_ijk.clone()
    affine[:3, :3] *= new / old
    middle = [(torch.tensor(s, dtype=torch.float64) - 1) / 2 for s in (shape, size)]
    affine[:3, 3] = transform_points(anatomical_from_ijk, middle[0]) - affine[:3, :3] @ middle[1]
    return (size[0], size[1], size[2]), affine


def resample_linear(values: Tensor, size: Shape, ratio: tuple[float, float, float]) -> Tensor:
    """Linear interpolation, axis by axis, on a grid with the same centre.

    On a coarser grid the triangle is as wide as two new voxels, so that what is finer than these is averaged instead
    of aliased. Beyond the outermost voxel centres their values go on.

    Args:
        values: float32 [I, J, K].
        size: new size.
        ratio: new spacing over old, along each axis.
    """
    for axis in range(3):
        if size[axis] == values.shape[axis] and math.isclose(ratio[axis], 1.0, rel_tol=1e-9):
            continue
        weights = _weights(values.shape[axis], size[axis], ratio[axis]).to(values.dtype)
        values = torch.movedim(torch.tensordot(weights, values, dims=([1], [axis])), 0, axis)
    return values.contiguous()


def _weights(old: int, new: int, ratio: float) -> Tensor:
    """Weights [new, old] of the old voxels in each new one."""
    width = max(1.0, ratio)
    at = ((torch.arange(new, dtype=torch.float64) - (new - 1) / 2) * ratio + (old - 1) / 2).clamp(0, old - 1)
    weights = (1 - (at[:, None] - torch.arange(old, dtype=torch.float64)).abs() / width).clamp_min(0)
    return weights / weights.sum(dim=1, keepdim=True)


def resample_nearest(values: Tensor, size: Shape, ratio: tuple[float, float, float]) -> Tensor:
    """The nearest voxel, on a grid with the same centre.

    Args:
        values: labels [I, J, K].
        size: new size.
        ratio: new spacing over old, along each axis.
    """
    for axis in range(3):
        old, new = values.shape[axis], size[axis]
        at = (torch.arange(new, dtype=torch.float64) - (new - 1) / 2) * ratio[axis] + (old - 1) / 2
        values = values.index_select(axis, torch.floor(at + 0.5 + 1e-6).long().clamp(0, old - 1))
    return values.contiguous()
