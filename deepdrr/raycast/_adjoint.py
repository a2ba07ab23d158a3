"""Calls of the compiled adjoints: how a sum of line integrals, weighted by an upstream gradient, changes."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.raycast._cpu import flat_rays, packed, readable
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._layout import memory_order
from deepdrr.raycast._request import Request

__all__ = ["gradient_by_rays", "gradient_by_values"]


def gradient_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [C, I, J, K], of any values, float32.

    The same bits for any number of threads: the grid is cut into slabs, each is added to by one thread in the order of
    the rays.

    Args:
        upstream: [..., C, H, W].
        request: the integrals; its field counts by its shape only.
    """
    field = request.field
    gradient = torch.zeros(field.channels, *field.shape, dtype=torch.float32)
    images = _images(upstream)
    if images.numel() > 0:
        kernel = getattr(load_kernels(), f"{_rule(request)}_by_values")
        threads = torch.get_num_threads()
        kernel(
            gradient.numpy(), _matrix(request), *_rays(request), number_of(request.integration), images.numpy(), threads
        )
    return gradient


def gradient_by_rays(upstream: Tensor, request: Request) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients by source and target [..., H, W, 3], start and stop [..., H, W] and ijk_from_world [4, 4], float64.

    Those by limits that the rays do not have are empty.

    Args:
        upstream: [..., C, H, W].
        request: the integrals.
    """
    field, rays = readable(request), request.rays
    source, target = (torch.zeros(*rays.shape, 3, dtype=torch.float64) for _ in range(2))
    start, stop = (
        torch.zeros(rays.shape if limit is not None else (0,), dtype=torch.float64) for limit in (rays.start, rays.stop)
    )
    rows, images = torch.zeros(3, 4, dtype=torch.float64), _images(upstream)
    if images.numel() > 0:
        kernel = getattr(load_kernels(), f"{_rule(request)}_by_rays")
        results = [tensor.numpy() for tensor in (source, target, start, stop, rows)]
        threads = torch.get_num_threads()
        kernel(*packed(field), *_rays(request), number_of(request.integration), images.numpy(), *results, threads)
    placement = torch.zeros(4, 4, dtype=torch.float64)
    if field.values is not None:
        placement[list(memory_order(field.values))] = rows
    return source, target, start, stop, placement


def _images(upstream: Tensor) -> Tensor:
    """[..., C, H, W] → [B, C, H, W], contiguous float32."""
    return upstream.detach().float().reshape(-1, *upstream.shape[-3:]).contiguous()


def _rule(request: Request) -> str:
    return f"{'exact' if isinstance(request.integration, Exact) else 'step'}_{request.interpolation}"


def _matrix(request: Request) -> object:
    return request.field.ijk_from_world.detach().double().contiguous().numpy()


def _rays(request: Request) -> list[object]:
    return [ends.numpy() for ends in flat_rays(request)]
