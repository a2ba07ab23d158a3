"""`DeviceVolume`: a field's voxels as the CUDA kernels address them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.raycast._field import Voxels
from deepdrr.raycast.layout._kernel_layout import readable_with_labels, without_values
from deepdrr.raycast.layout._memory_order import memory_order

__all__ = ["DeviceVolume", "volume_of", "volume_to_fill"]


@dataclass(frozen=True, eq=False)
class DeviceVolume:
    """A grid with contiguous voxels along its fastest axis, and the tensors of it that a kernel reads.

    Attributes:
        field: the field that the grid belongs to.
        grid: [C, I, J, K], or [1, I, J, K] with labels; every tensor that is read or filled has its memory order.
        values: [C, I, J, K], float32 or int16; None if none are read.
        labels: [I, J, K], uint8, or None.
        scale: factors [C] on int16 values, float32; None for 1.
    """

    field: Voxels
    grid: Tensor
    values: Tensor | None = None
    labels: Tensor | None = None
    scale: Tensor | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors that a kernel reads."""
        return [t for t in (self.values, self.labels, self.scale) if t is not None]

    @property
    def bytes(self) -> int:
        """Number of bytes that a kernel reads if it reads every voxel."""
        return sum(t.numel() * t.element_size() for t in self.tensors)

    @property
    def storage(self) -> str:
        """The storage of values as the kernels' names spell it."""
        return "i16" if self.values is not None and self.values.dtype == torch.int16 else "f32"

    @property
    def order(self) -> tuple[int, int, int]:
        """The axes from the slowest to the fastest."""
        return memory_order(self.grid)

    @property
    def strides(self) -> tuple[int, int]:
        """Strides of the slowest and the middle axis, in voxels."""
        slow, middle, _ = self.order
        return self.grid.stride(1 + slow), self.grid.stride(1 + middle)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """ijk_from_world [3, 4] with its rows in memory order."""
        return self.field.ijk_from_world.detach().double().cpu()[list(self.order)].numpy()


def volume_of(field: Voxels) -> DeviceVolume:
    """The grid of a field for reading, copied only if the kernels cannot read it in place."""
    if field.labels is not None:
        field = readable_with_labels(field)
    scale = None if field.scale is None else field.scale.to(field.device, torch.float32).contiguous()
    if field.labels is not None:
        values = None if field.values is None else field.values.detach()
        return DeviceVolume(field, field.labels[None], values, field.labels, scale)
    assert field.values is not None  # a field has one or the other
    values = _readable(field.values.detach(), field.prefiltered)
    return DeviceVolume(field, values, values, scale=scale)


def volume_to_fill(field: Voxels, dtype: torch.dtype) -> tuple[DeviceVolume, Tensor]:
    """A grid whose values are not read, and zeros [C, I, J, K] ([1, I, J, K] with labels) in its memory order."""
    if field.labels is None:
        zeros = torch.zeros(field.channels, *field.shape, dtype=dtype, device=field.device)
        return DeviceVolume(field, zeros), zeros
    alone = without_values(field).labels
    assert alone is not None  # the field has labels
    numbers = 1 + sum((n - 1) * stride for n, stride in zip(alone.shape, alone.stride(), strict=True))
    flat = torch.zeros(numbers, dtype=dtype, device=field.device)
    zeros = flat.as_strided((1, *alone.shape), (numbers, *alone.stride()))
    return DeviceVolume(field, zeros, labels=alone), zeros


def _readable(values: Tensor, coefficients: bool) -> Tensor:
    fast = memory_order(values)[2]
    side_by_side = values.shape[1 + fast] == 1 or values.stride(1 + fast) == 1
    types = (torch.float32,) if coefficients else (torch.float32, torch.int16)
    return values if values.dtype in types and side_by_side else values.float().contiguous()
