"""Integrals of one channel with their slopes: the sums that the gradient with respect to the rays needs.

The slopes are the integral; the integrals of the field's derivatives along i, j and k; the first moments of these,
weighted by the fraction of the chord passed; and for `Exact` the field at the ends of the chord.
"""

from typing import Any

import torch
from torch import Tensor

from deepdrr.raycast._engine import RayGrads
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._rays import RayEnds
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._grad_rays import room_for_gradients, with_placement
from deepdrr.raycast.cpu._kernel_arguments import images, kernel_rays, packed, readable
from deepdrr.raycast.layout._memory_order import memory_order

__all__ = ["grad_rays_from_slopes", "integrate_with_slopes", "sums_slopes"]


def sums_slopes(request: Request) -> bool:
    """Whether the kernels sum the slopes of a request: one channel, linear interpolation, no labels."""
    field = request.field
    return field.labels is None and field.channels == 1 and request.interpolation == "linear"


def integrate_with_slopes(kernels: Any, request: Request) -> tuple[Tensor, Tensor]:
    """Integrals [..., 1, H, W] and slopes [..., 7 or 9, H, W]."""
    field, rays = readable(request), request.rays
    assert field.values is not None
    sums = 9 if isinstance(request.integration, Exact) else 7
    out = torch.empty(rays.shape[:-2].numel(), sums, *rays.shape[-2:], dtype=torch.float32)
    if out.numel() > 0:
        kernel, threads = getattr(kernels, kernel_name(request, "_with_slopes")), torch.get_num_threads()
        kernel(*packed(field), kernel_rays(kernels, rays), number_of(request.integration), out.numpy(), threads)
    order = memory_order(field.values)
    back = [order.index(axis) for axis in range(3)]
    slopes = out[:, [0, *(1 + axis for axis in back), *(4 + axis for axis in back), *range(7, sums)]]
    return out[:, :1].clone().reshape(request.output_shape), slopes.reshape(*rays.shape[:-2], sums, *rays.shape[-2:])


def grad_rays_from_slopes(
    kernels: Any, upstream: Tensor, slopes: Tensor, shape: tuple[int, int, int], ijk_from_world: Tensor, rays: RayEnds
) -> RayGrads:
    """The gradients of `grad_rays`, from the slopes of `integrate_with_slopes`.

    Args:
        kernels: the compiled module.
        upstream: [..., 1, H, W].
        slopes: [..., 7 or 9, H, W].
        shape: voxels of the grid, I, J, K.
        ijk_from_world: [4, 4].
        rays: the rays of the integrals.
    """
    results, rows = room_for_gradients(rays)
    if upstream.numel() > 0:
        arrays = [tensor.numpy() for tensor in (images(upstream), *results, rows)]
        matrix, threads = ijk_from_world.detach().double().contiguous().numpy(), torch.get_num_threads()
        flat = kernel_rays(kernels, rays)
        kernels.grad_rays_from_slopes(images(slopes).numpy(), shape, matrix, flat, *arrays, threads)
    return with_placement(results, rows, (0, 1, 2))
