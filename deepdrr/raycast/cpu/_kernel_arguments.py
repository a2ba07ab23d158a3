"""A request as arguments of the compiled kernels: NumPy arrays on torch's memory."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.raycast._field import Voxels
from deepdrr.raycast._flat_rays import UNLIMITED, flat_ends, flat_limits
from deepdrr.raycast._rays import CameraRays, RayEnds
from deepdrr.raycast._request import Request
from deepdrr.raycast.layout._kernel_layout import laid_out
from deepdrr.raycast.layout._memory_order import memory_order, readable_in_place

__all__ = ["images", "kernel_rays", "labeled", "packed", "readable"]

# An offset that adds nothing.
_NOTHING = np.zeros((1, 1, 1, 3))


def readable(request: Request) -> Voxels:
    """A field that the kernels can read, copied only if they cannot read it in place."""
    field = request.field
    in_place = field.values is not None and readable_in_place(field.values)
    if in_place and field.values is not None and request.interpolation == "cubic":
        in_place = field.values.dtype == torch.float32
    return field if in_place else laid_out(field)


def packed(field: Voxels) -> tuple[object, object, object]:
    """The values of a readable field [C, a, b, c], without a copy, their scale [C] and abc_from_world [4, 4].

    The axes a, b, c are I, J, K in their `memory_order`.
    """
    assert field.values is not None
    order = memory_order(field.values)
    values = field.values.detach().permute(0, *(1 + axis for axis in order))
    matrix = field.ijk_from_world.detach().double().numpy()[[*order, 3]]
    scale = np.ones(len(values)) if field.scale is None else field.scale.double().numpy()
    return values.numpy(), scale, matrix


def labeled(field: Voxels) -> tuple[object, object, object, object]:
    """Labels [a, b, c], values [1, a, b, c] or None, both without a copy, their scale [1] and abc_from_world [4, 4].

    The axes a, b, c are I, J, K in their `memory_order`.
    """
    assert field.labels is not None  # the request has labels
    order = memory_order(field.labels)
    values = torch.empty(0) if field.values is None else field.values.detach().permute(0, *(1 + a for a in order))
    matrix = field.ijk_from_world.detach().double()[[*order, 3]].contiguous()
    scale = torch.ones(1, dtype=torch.float64) if field.scale is None else field.scale.double()
    return field.labels.permute(order).numpy(), values.numpy(), scale.numpy(), matrix.numpy()


def kernel_rays(kernels: Any, rays: RayEnds | CameraRays) -> Any:
    """Rays as the kernels take them: end points as sums of two arrays, and limits, float64; axes of length 1 repeat."""
    *batch, height, width = rays.shape
    shape = (math.prod(batch), height, width)
    if isinstance(rays, CameraRays):
        lines = [line for pair in (rays.source_lines, rays.target_lines) for line in pair]
        return kernels.Rays(shape, *(_one_batch(line, batch) for line in lines), *UNLIMITED)
    ends = [end for tensor in (rays.source, rays.target) for end in (flat_ends(tensor, rays.shape).numpy(), _NOTHING)]
    return kernels.Rays(shape, *ends, *(limit.numpy() for limit in flat_limits(rays)))


def images(upstream: Tensor) -> Tensor:
    """[..., C, H, W] → [B, C, H, W], contiguous float32."""
    return upstream.detach().float().reshape(-1, *upstream.shape[-3:]).contiguous()


def _one_batch(lines: NDArray[np.float64], batch: Sequence[int]) -> NDArray[np.float64]:
    """[..., H, W, 3] → [B, H, W, 3], where B may be 1."""
    if len(batch) > 1:
        lines = np.broadcast_to(lines, (*batch, *lines.shape[-3:]))
    return lines.reshape(-1, *lines.shape[-3:])
