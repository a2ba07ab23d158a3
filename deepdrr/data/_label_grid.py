"""Label maps brought onto the grid of the CT by the nearest voxel."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.geometry import transform_points

__all__ = ["check_overlap", "moved_labels", "warn_if_elsewhere"]

Shape = tuple[int, int, int]

_CHUNK = 2**22
# Rounding that headers may bring: an index off by 1e-3 of a voxel is the same voxel.
_SAME_INDEX = 1e-3


def moved_labels(values: NDArray[Any], affine: Tensor, shape: Shape, anatomical_from_ijk: Tensor) -> NDArray[Any]:
    """Labels [I', J', K'] of one grid on another: those of the nearest voxel, 0 outside.

    Args:
        values: labels.
        affine: anatomical_from_ijk of their grid.
        shape: the other grid's size.
        anatomical_from_ijk: the other grid's affine.
    """
    source_from_target = torch.linalg.inv(affine) @ anatomical_from_ijk
    if values.shape == shape and _moves_no_voxel(source_from_target, shape):
        return values
    matrix = source_from_target.numpy()
    out = np.zeros(shape, dtype=values.dtype)
    rows = max(1, _CHUNK // (shape[1] * shape[2]))
    for first in range(0, shape[0], rows):
        i = np.arange(first, min(first + rows, shape[0]))
        out[i[0] : i[-1] + 1] = _nearest(values, matrix, i, shape)
    return out


def warn_if_elsewhere(affine: Tensor, anatomical_from_ijk: Tensor, shape: Shape) -> None:
    """Warn of labels of the CT's size beside the CT, as where one of the two was saved with a wrong affine.

    A grid stored from another corner has the same corners in another order, and is no cause.
    """
    here, there = (transform_points(matrix, _corners(shape)) for matrix in (affine, anatomical_from_ijk))
    voxel = anatomical_from_ijk[:3, :3].norm(dim=0).max()
    apart = torch.cdist(here, there).amin(dim=1).max()
    if float(apart) > float(voxel):
        warnings.warn(
            f"the label map has the CT's {'×'.join(map(str, shape))} voxels, but by its affine a corner lies "
            f"{float(apart):.4g} mm from the CT's; its affine is obeyed; if the voxels are the CT's, give the array",
            UserWarning,
            stacklevel=2,
        )


def _nearest(values: NDArray[Any], matrix: NDArray[np.float64], i: NDArray[np.int64], shape: Shape) -> NDArray[Any]:
    """Labels of the rows `i` of the target grid; 0 outside of the source."""
    j, k = np.arange(shape[1]), np.arange(shape[2])
    flat = np.zeros((len(i), len(j), len(k)), dtype=np.int64)
    inside = np.ones(flat.shape, dtype=bool)
    for axis, count in enumerate(values.shape):
        a, b, c, offset = matrix[axis]
        # 1e-6 of a voxel breaks ties the same way on every row, whatever the affine's last digits.
        along = (a * i)[:, None, None] + (b * j)[:, None] + (c * k + offset + 0.5 + 1e-6)
        index = np.floor(along).astype(np.int32)
        inside &= (index >= 0) & (index < count)
        flat = flat * count + np.clip(index, 0, count - 1)
    found: NDArray[Any] = np.where(inside, values.reshape(-1)[flat], 0)
    return found


def _moves_no_voxel(source_from_target: Tensor, shape: Shape) -> bool:
    corners = _corners(shape)
    return bool((transform_points(source_from_target, corners) - corners).abs().max() < _SAME_INDEX)


def _corners(shape: tuple[int, ...]) -> Tensor:
    """Outer corners of a grid in voxel indices [8, 3]."""
    return torch.cartesian_prod(*(torch.tensor([-0.5, n - 0.5], dtype=torch.float64) for n in shape))


def check_overlap(source: tuple[int, ...], source_affine: Tensor, target: Shape, target_affine: Tensor) -> None:
    """Refuse a label map that lies beside the CT, as that of another patient.

    Raises:
        ValueError: says where both lie.
    """
    boxes = [transform_points(m, _corners(s)) for m, s in ((source_affine, source), (target_affine, target))]
    low, high = [b.amin(dim=0) for b in boxes], [b.amax(dim=0) for b in boxes]
    if bool((torch.maximum(*low) >= torch.minimum(*high)).any()):
        raise ValueError(
            f"the label map and the CT must overlap, got the labels at {_span(low[0], high[0])} and the CT at "
            f"{_span(low[1], high[1])} RAS mm; is it the label map of another patient?"
        )


def _span(low: Tensor, high: Tensor) -> str:
    return f"({', '.join(f'{a:.0f}…{b:.0f}' for a, b in zip(low.tolist(), high.tolist(), strict=True))})"
