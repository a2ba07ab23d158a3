"""Calls of the compiled adjoints: how a sum of line integrals, weighted by an upstream gradient, changes."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._rays import PixelRays, Rays
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._line_integrals import kernel_rays, packed, readable
from deepdrr.raycast.layout._memory_order import memory_order

__all__ = [
    "ByRays",
    "gradient_by_rays",
    "gradient_by_values",
    "gradient_from_slopes",
    "images",
    "integrate_with_slopes",
    "ray_gradients",
    "with_placement",
]


def gradient_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [C, I, J, K], of any values, float32.

    The same bits for any number of threads: the grid is cut into slabs, each is added to by one thread in the order of
    the rays.

    Args:
        upstream: [..., C, H, W].
        request: the integrals; its field counts by its shape only.
    """
    field = request.field
    gradient = torch.zeros(field.channels, *field.shape)
    pictures = images(upstream)
    if pictures.numel() > 0:
        kernel = getattr(load_kernels(), f"{_rule(request)}_by_values")
        threads = torch.get_num_threads()
        matrix, rule = field.ijk_from_world.detach().double().contiguous(), number_of(request.integration)
        kernel(gradient.numpy(), matrix.numpy(), kernel_rays(request.rays), rule, pictures.numpy(), threads)
    return gradient


def integrate_with_slopes(request: Request) -> tuple[Tensor, Tensor]:
    """Integrals [..., 1, H, W] of one channel, linear, and the slopes [..., 7 or 9, H, W] that hold their derivatives.

    Slopes are what the kernels sum up along a ray: the integral; the field's derivative by i, j and k; that weighted
    by the fraction of the chord passed; for `Exact`, the field at the chord's ends.
    """
    field, rays = readable(request), request.rays
    assert field.values is not None
    sums = 9 if isinstance(request.integration, Exact) else 7
    out = torch.empty(rays.shape[:-2].numel(), sums, *rays.shape[-2:], dtype=torch.float32)
    if out.numel() > 0:
        kernel = getattr(load_kernels(), f"{_rule(request)}_with_slopes")
        threads = torch.get_num_threads()
        kernel(*packed(field), kernel_rays(rays), number_of(request.integration), out.numpy(), threads)
    order = memory_order(field.values)
    back = [order.index(axis) for axis in range(3)]
    slopes = out[:, [0, *(1 + axis for axis in back), *(4 + axis for axis in back), *range(7, sums)]]
    return out[:, :1].clone().reshape(request.output_shape), slopes.reshape(*rays.shape[:-2], sums, *rays.shape[-2:])


ByRays = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def gradient_from_slopes(
    upstream: Tensor, slopes: Tensor, shape: tuple[int, int, int], ijk_from_world: Tensor, rays: Rays
) -> ByRays:
    """The gradients of `gradient_by_rays`, from the slopes of `integrate_with_slopes`.

    Args:
        upstream: [..., 1, H, W].
        slopes: [..., 7 or 9, H, W].
        shape: of the grid, I, J, K.
        ijk_from_world: [4, 4].
        rays: of the integrals.
    """
    results, rows = ray_gradients(rays)
    if upstream.numel() > 0:
        arrays = [tensor.numpy() for tensor in (images(upstream), *results, rows)]
        matrix, threads = ijk_from_world.detach().double().contiguous().numpy(), torch.get_num_threads()
        load_kernels().by_rays_from_slopes(images(slopes).numpy(), shape, matrix, kernel_rays(rays), *arrays, threads)
    return with_placement(results, rows, (0, 1, 2))


def gradient_by_rays(upstream: Tensor, request: Request) -> ByRays:
    """The gradients by source and target [..., H, W, 3], start and stop [..., H, W] and ijk_from_world [4, 4], float64.

    Those by limits that the rays do not have are empty.

    Args:
        upstream: [..., C, H, W].
        request: the integrals.
    """
    field = readable(request)
    assert field.values is not None
    results, rows = ray_gradients(request.rays)
    if upstream.numel() > 0:
        kernel = getattr(load_kernels(), f"{_rule(request)}_by_rays")
        arrays = [tensor.numpy() for tensor in (images(upstream), *results, rows)]
        threads = torch.get_num_threads()
        kernel(*packed(field), kernel_rays(request.rays), number_of(request.integration), *arrays, threads)
    return with_placement(results, rows, memory_order(field.values))


def ray_gradients(rays: Rays | PixelRays) -> tuple[list[Tensor], Tensor]:
    """Room for the gradients by source, target, start and stop, and by the rows of ijk_from_world [3, 4]."""
    ends = [torch.zeros(*rays.shape, 3, dtype=torch.float64) for _ in range(2)]
    shapes = (rays.shape if limit is not None else (0,) for limit in (rays.start, rays.stop))
    return ends + [torch.zeros(shape, dtype=torch.float64) for shape in shapes], torch.zeros(3, 4, dtype=torch.float64)


def with_placement(results: list[Tensor], rows: Tensor, order: tuple[int, int, int]) -> ByRays:
    """With the gradient [4, 4] by ijk_from_world, whose rows come in a memory order."""
    placement = torch.zeros(4, 4, dtype=torch.float64)
    placement[list(order)] = rows
    source, target, start, stop = results
    return source, target, start, stop, placement


def images(upstream: Tensor) -> Tensor:
    """[..., C, H, W] → [B, C, H, W], contiguous float32."""
    return upstream.detach().float().reshape(-1, *upstream.shape[-3:]).contiguous()


def _rule(request: Request) -> str:
    return f"{'exact' if isinstance(request.integration, Exact) else 'step'}_{request.interpolation}"
