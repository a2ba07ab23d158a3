"""Gradients with respect to the rays and the placement from the upstream gradient, by the compiled kernels."""

from typing import Any

import torch
from torch import Tensor

from deepdrr.raycast._engine import RayGrads
from deepdrr.raycast._integration import number_of
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._rays import CameraRays, RayEnds
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._kernel_arguments import images, kernel_rays, labeled, packed, readable
from deepdrr.raycast.layout._kernel_layout import readable_with_labels
from deepdrr.raycast.layout._memory_order import memory_order

__all__ = ["grad_rays", "room_for_gradients", "with_placement"]


def grad_rays(kernels: Any, upstream: Tensor, request: Request) -> RayGrads:
    """The gradients with respect to source, target, start, stop and ijk_from_world, with labels or without.

    Args:
        kernels: the compiled module.
        upstream: [..., C, H, W], or [..., L, H, W] with labels.
        request: the integrals.
    """
    by_label = request.field.labels is not None
    field = readable_with_labels(request.field) if by_label else readable(request)
    results, rows = room_for_gradients(request.rays)
    if upstream.numel() > 0:
        kernel, rays = getattr(kernels, kernel_name(request, "_grad_rays")), kernel_rays(kernels, request.rays)
        voxels = labeled(field) if by_label else packed(field)
        arrays = [tensor.numpy() for tensor in (images(upstream), *results, rows)]
        kernel(*voxels, rays, number_of(request.integration), *arrays, torch.get_num_threads())
    grid = field.labels if by_label else field.values
    assert grid is not None  # a field has one or the other
    return with_placement(results, rows, memory_order(grid))


def room_for_gradients(rays: RayEnds | CameraRays) -> tuple[list[Tensor], Tensor]:
    """Zeros for the gradients of source, target, start and stop, and for those of the rows of ijk_from_world [3, 4]."""
    ends = [torch.zeros(*rays.shape, 3, dtype=torch.float64) for _ in range(2)]
    shapes = (rays.shape if limit is not None else (0,) for limit in (rays.start, rays.stop))
    return ends + [torch.zeros(shape, dtype=torch.float64) for shape in shapes], torch.zeros(3, 4, dtype=torch.float64)


def with_placement(results: list[Tensor], rows: Tensor, order: tuple[int, int, int]) -> RayGrads:
    """Append the gradient [4, 4] of ijk_from_world, whose rows are given in memory order."""
    placement = torch.zeros(4, 4, dtype=torch.float64)
    placement[list(order)] = rows
    source, target, start, stop = results
    return source, target, start, stop, placement
