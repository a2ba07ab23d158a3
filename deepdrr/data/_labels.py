"""Label maps: read, checked, brought onto the grid of the CT."""

import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.data.readers._files import read_grid
from deepdrr.geometry import ArrayLike, check_affine, transform_points

__all__ = ["LabelMap", "Labels", "labels_on_grid", "warn_if_in_air"]

Shape = tuple[int, int, int]

_LARGEST = 32767
_CHUNK = 2**22
# Tissue of a patient is above −950 HU, lung included (about −850); what surrounds the patient is below.
_AIR_BELOW_HU = -950.0
# Rounding that headers may bring: an index off by 1e-3 of a voxel is the same voxel.
_SAME_INDEX = 1e-3


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map in memory with a grid of its own.

    Attributes:
        values: labels ≥ 0, 0 for background, [I', J', K'].
        anatomical_from_ijk: affine from its voxel centres to RAS mm, [4, 4].
    """

    values: Tensor | NDArray[Any]
    anatomical_from_ijk: ArrayLike


Labels = str | os.PathLike[str] | Tensor | NDArray[Any] | LabelMap
"""A file, an array on the CT's grid, or an array with its own grid."""


def labels_on_grid(labels: Labels, shape: Shape, anatomical_from_ijk: Tensor) -> Tensor:
    """Bring labels onto a grid by the nearest voxel.

    Args:
        labels: a file (NIfTI, NRRD, MetaImage) or a `LabelMap`, both on any grid, or an array of the CT's shape.
        shape: the grid's size.
        anatomical_from_ijk: the grid's affine.

    Returns:
        uint8 [I, J, K], or int16 if there are labels above 255.

    Raises:
        TypeError: if the labels are not numbers.
        ValueError: if they are not integers ≥ 0, of another size without a grid, or nowhere on the CT.
    """
    if isinstance(labels, str | os.PathLike):
        scan = read_grid(labels)
        labels = LabelMap(scan.hu, scan.anatomical_from_ijk)
    if not isinstance(labels, LabelMap):
        values = _integers(labels)
        if values.shape != shape:
            raise ValueError(
                f"labels must have the CT's shape {shape}, got {values.shape}; "
                "for a grid of its own give a file or a LabelMap with its affine"
            )
        return torch.from_numpy(values)
    affine = check_affine(labels.anatomical_from_ijk, "the labels' anatomical_from_ijk")
    return torch.from_numpy(_resampled(_integers(labels.values), affine, shape, anatomical_from_ijk))


def warn_if_in_air(labels: Tensor, hu: Tensor) -> None:
    """Warn when most of what is labelled is air in the CT, as with the label map of another patient."""
    labeled = labels > 0
    count = int(labeled.sum())
    in_air = int((labeled & (hu < _AIR_BELOW_HU)).sum())
    if count and in_air > 0.5 * count:
        warnings.warn(
            f"{in_air / count:.0%} of the labelled voxels are air in the CT (below {_AIR_BELOW_HU:.0f} HU): "
            "are the labels those of this patient?",
            UserWarning,
            stacklevel=2,
        )


def _integers(labels: Tensor | NDArray[Any]) -> NDArray[Any]:
    """The labels as a new uint8 or int16 array."""
    values = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"labels must be integers, got dtype {values.dtype}")
    if values.ndim != 3 or values.size == 0:
        raise ValueError(f"labels must be a 3-D array, got shape {values.shape}")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("labels must be integers, got NaN or infinite values")
    if low < 0 or high > _LARGEST:
        raise ValueError(f"labels must be from 0 to {_LARGEST}, got values from {low:g} to {high:g}")
    small = values.astype(np.uint8 if high <= 255 else np.int16, order="C")
    if values.dtype.kind == "f":
        for given, kept in zip(values, small, strict=True):
            if not np.array_equal(given, kept):
                raise ValueError(f"labels must be integers, got {given[given != kept].flat[0]:g}; is it a label map?")
    return small


def _resampled(values: NDArray[Any], affine: Tensor, shape: Shape, anatomical_from_ijk: Tensor) -> NDArray[Any]:
    source_from_target = torch.linalg.inv(affine) @ anatomical_from_ijk
    if values.shape == shape and _moves_no_voxel(source_from_target, shape):
        return values
    _check_overlap(values.shape, affine, shape, anatomical_from_ijk)
    matrix = source_from_target.numpy()
    out = np.zeros(shape, dtype=values.dtype)
    rows = max(1, _CHUNK // (shape[1] * shape[2]))
    for first in range(0, shape[0], rows):
        i = np.arange(first, min(first + rows, shape[0]))
        out[i[0] : i[-1] + 1] = _nearest(values, matrix, i, shape)
    if values.any() and not out.any():
        raise ValueError("none of the labels lies on the CT; is the label map that of another patient?")
    if values.shape == shape:
        _warn_if_elsewhere(affine, anatomical_from_ijk, shape)
    return out


def _warn_if_elsewhere(affine: Tensor, anatomical_from_ijk: Tensor, shape: Shape) -> None:
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


def _check_overlap(source: tuple[int, ...], source_affine: Tensor, target: Shape, target_affine: Tensor) -> None:
    boxes = [transform_points(m, _corners(s)) for m, s in ((source_affine, source), (target_affine, target))]
    low, high = [b.amin(dim=0) for b in boxes], [b.amax(dim=0) for b in boxes]
    if bool((torch.maximum(*low) >= torch.minimum(*high)).any()):
        raise ValueError(
            f"the label map and the CT must overlap, got the labels at {_span(low[0], high[0])} and the CT at "
            f"{_span(low[1], high[1])} RAS mm; is it the label map of another patient?"
        )


def _span(low: Tensor, high: Tensor) -> str:
    return f"({', '.join(f'{a:.0f}…{b:.0f}' for a, b in zip(low.tolist(), high.tolist(), strict=True))})"
