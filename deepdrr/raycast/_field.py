"""`Field`: the values that rays integrate; `Voxels`: the same without checks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepdrr.geometry import check_affine
from deepdrr.raycast.layout._arrangement import Arrangement

__all__ = ["MAX_LABELS", "Field", "Voxels"]

MAX_LABELS = 128


@dataclass(frozen=True, eq=False)
class Voxels:
    """Values on a voxel grid, the label map that routes them, or both, as the kernels receive them.

    The attributes are those of `Field`, which documents and checks them. Nothing is checked here: operators and kernels
    make voxels from the parts of a field.
    """

    values: Tensor | None
    ijk_from_world: Tensor
    labels: Tensor | None = None
    label_count: int | None = None
    prefiltered: bool = False
    scale: Tensor | None = None
    arrangement: Arrangement | None = None

    @property
    def channels(self) -> int:
        """Number of line integrals per ray: C, or the number of labels."""
        if self.label_count is not None:
            return self.label_count
        return len(self._grid_tensors[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels (I, J, K)."""
        i, j, k = self._grid_tensors[0].shape[-3:]
        return i, j, k

    @property
    def device(self) -> torch.device:
        """The device of values and labels."""
        return self._grid_tensors[0].device

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the integrals: that of floating-point `values`, otherwise float32."""
        floating = self.values is not None and self.values.dtype in (torch.float32, torch.float64)
        return self.values.dtype if self.values is not None and floating else torch.float32

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distances between voxels along I, J and K, mm."""
        world_from_ijk = np.linalg.inv(np.array(self.ijk_from_world.detach().tolist())[:3, :3])
        i, j, k = np.sqrt((world_from_ijk**2).sum(0)).tolist()
        return i, j, k

    @property
    def longest_chord_mm(self) -> float:
        """Upper bound of the length of a ray inside the grid: the sum of the box's edges, mm."""
        return sum(n * edge for n, edge in zip(self.shape, self.spacing_mm, strict=True))

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient with respect to the values or the placement is required."""
        return self.ijk_from_world.requires_grad or (self.values is not None and self.values.requires_grad)

    @property
    def _grid_tensors(self) -> tuple[Tensor, ...]:
        return tuple(t for t in (self.values, self.labels) if t is not None)


@dataclass(frozen=True, eq=False)
class Field(Voxels):
    """Values on a voxel grid, the label map that routes them, or both.

    A voxel's value belongs to its centre, which has integer coordinates; the voxel extends half a spacing to each side.
    The field's support is the box of all voxels, [−½, I−½) × [−½, J−½) × [−½, K−½) in ijk, and it is zero outside.
    Nearest interpolation is constant in each voxel. Linear interpolation is trilinear between centres; in the outer
    half voxel it keeps the value of the nearest face, so that N equal voxels integrate to N · spacing · value under
    either interpolation. A cubic B-spline has its first and last knots at the outer voxels' centres, where it is flat,
    and keeps its value there in the outer half voxel too.

    With `labels`, the integral of `values` (or of 1, which gives path lengths) is routed to one channel per label; the
    channels sum to the unrouted integral. *Hard* routing assigns the whole interpolated value to the label of the
    nearest voxel: channel l integrates f where that label is l, and an exact integral is split where a ray passes from
    voxel to voxel. *Soft* routing assigns each voxel's share of the interpolated value to that voxel's own label:
    channel l integrates the interpolant of the values with voxels of other labels set to 0. With linear interpolation,
    soft channels fade into each other across one voxel and are continuous in the pose. With nearest interpolation both
    are the same. When the rays move, an exact hard integral changes with the values and with the positions of the label
    borders, and its gradient contains both; hard-routed samples have only the gradient of the values.

    Attributes:
        values: [C, I, J, K], any real dtype and strides; None to integrate 1. One channel only with `labels`.
        ijk_from_world: affine transform [4, 4] from world mm to voxel indices.
        labels: integers [I, J, K] in 0 … label_count − 1, or None.
        label_count: number of labels, at most 128; given with `labels`, and only then.
        prefiltered: whether `values` are cubic B-spline coefficients, see `spline_coefficients`.
        scale: factors [C] on int16 `values`, see `with_kernel_layout`; None for 1.
        arrangement: what `with_kernel_layout` keeps beside `values`; ignored if the values are not those it was made
            from, or were written to since.

    Example:
        >>> field = Field(torch.ones(1, 4, 4, 4), torch.eye(4, dtype=torch.float64))
        >>> field.channels, field.shape
        (1, (4, 4, 4))
    """

    def __post_init__(self) -> None:
        check_affine(self.ijk_from_world.detach(), "ijk_from_world")
        _check_values(self.values)
        _check_labels(self.labels, self.label_count)
        if self.values is None and self.labels is None:
            raise ValueError("a Field needs values, labels or both, got neither")
        if self.values is not None and self.labels is not None:
            _check_pair(self.values, self.labels)
        if self.scale is not None:
            _check_scale(self.scale, self.values)


def _check_values(values: Tensor | None) -> None:
    if values is None:
        return
    if values.dim() != 4 or 0 in values.shape:
        raise ValueError(f"values must be [C, I, J, K] with no empty axis, got shape {tuple(values.shape)}")
    if values.is_complex() or values.dtype == torch.bool:
        raise TypeError(f"values must be real numbers, got dtype {values.dtype}")


def _check_labels(labels: Tensor | None, count: int | None) -> None:
    if (labels is None) != (count is None):
        raise ValueError(f"labels and label_count must be given together, got label_count={count}")
    if labels is None or count is None:
        return
    if labels.dim() != 3 or 0 in labels.shape:
        raise ValueError(f"labels must be [I, J, K] with no empty axis, got shape {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be integers, got dtype {labels.dtype}")
    if not 1 <= count <= MAX_LABELS:
        raise ValueError(f"label_count must be 1 to {MAX_LABELS}, got {count}")
    # Over named axes: over a whole grid whose first axis is not the slowest, torch takes a hundred times as long.
    low, high = int(labels.amin((0, 1, 2))), int(labels.amax((0, 1, 2)))
    if low < 0 or high >= count:
        raise ValueError(f"labels must lie in 0 to {count - 1} (label_count − 1), got {low} to {high}")


def _check_pair(values: Tensor, labels: Tensor) -> None:
    if values.shape[0] != 1 or values.shape[1:] != labels.shape:
        raise ValueError(
            f"with labels of shape {tuple(labels.shape)} values must be {(1, *labels.shape)}, got {tuple(values.shape)}"
        )
    if values.device != labels.device:
        raise ValueError(f"values and labels must be on one device, got {values.device} and {labels.device}")


def _check_scale(scale: Tensor, values: Tensor | None) -> None:
    if values is None or values.dtype != torch.int16:
        raise ValueError(f"scale is for values of int16, got {None if values is None else values.dtype}")
    if scale.shape != values.shape[:1]:
        raise ValueError(f"scale must be [C] for {len(values)} channels, got shape {tuple(scale.shape)}")
    if not scale.is_floating_point() or scale.requires_grad:
        raise TypeError(f"scale must be floating point without a gradient, got {scale.dtype}")
    if not bool((scale.isfinite() & (scale > 0)).all()):
        raise ValueError(f"scale must be positive numbers, got {scale.tolist()}")
