"""Calls of the compiled kernels that route an integral to one channel per label, and of their adjoints."""

from typing import Any

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._grad_rays import ByRays, images, ray_gradients, with_placement
from deepdrr.raycast.cpu._line_integrals import kernel_rays
from deepdrr.raycast.layout._kernel_layout import readable_with_labels, without_values
from deepdrr.raycast.layout._memory_order import memory_order, zeros

__all__ = ["integrate_routed", "routed_by_rays", "routed_by_values", "routed_kernel"]


def integrate_routed(request: Request) -> Tensor:
    """Line integrals [..., L, H, W] of a request with labels, float32, without gradients."""
    field, shape = readable_with_labels(request.field), request.rays.shape
    out = torch.empty(shape[:-2].numel(), field.channels, *shape[-2:], dtype=torch.float32)
    if out.numel() > 0:
        _kernel(request, "")(*_labelled(field), *_rays(request), out.numpy(), torch.get_num_threads())
    return out.reshape(request.output_shape)


def routed_by_values(upstream: Tensor, request: Request) -> Tensor:
    """The gradient by the values [1, I, J, K], of any values, float32; the same bits for any number of threads.

    Args:
        upstream: [..., L, H, W].
        request: the integrals; the values of its field do not count.
    """
    field = without_values(request.field)
    assert field.labels is not None  # it has come with them
    strides = field.labels.stride()
    numbers = 1 + sum((n - 1) * stride for n, stride in zip(field.shape, strides, strict=True))
    gradient = zeros(numbers, torch.float32).as_strided((1, *field.shape), (numbers, *strides))
    labels, _, _, matrix = _labelled(field)
    if upstream.numel() > 0:
        placed = gradient.permute(0, *(1 + axis for axis in memory_order(field.labels))).numpy()
        arrays = (labels, placed, matrix, *_rays(request), images(upstream).numpy())
        _kernel(request, "_by_values")(*arrays, torch.get_num_threads())
    return gradient


def routed_by_rays(upstream: Tensor, request: Request) -> ByRays:
    """The gradients by source, target, start, stop and ijk_from_world, as `gradient_by_rays` gives them.

    Args:
        upstream: [..., L, H, W].
        request: the integrals.
    """
    field = readable_with_labels(request.field)
    assert field.labels is not None  # it has come with them
    results, rows = ray_gradients(request.rays)
    if upstream.numel() > 0:
        arrays = [tensor.numpy() for tensor in (images(upstream), *results, rows)]
        _kernel(request, "_by_rays")(*_labelled(field), *_rays(request), *arrays, torch.get_num_threads())
    return with_placement(results, rows, memory_order(field.labels))


def routed_kernel(request: Request, adjoint: str = "") -> str:
    """Name of the kernel that serves a request with labels.

    Path lengths that are routed hard are those of nearest interpolation.
    """
    rule = "exact" if isinstance(request.integration, Exact) else "step"
    constant = request.interpolation == "nearest" or (request.field.values is None and request.routing == "hard")
    routed = "nearest_hard" if constant and not adjoint else f"linear_{request.routing}"
    return f"{rule}_{routed}{adjoint}"


def _kernel(request: Request, adjoint: str) -> Any:
    return getattr(load_kernels(), routed_kernel(request, adjoint))


def _rays(request: Request) -> list[object]:
    """The rays, and the number that tells the rule."""
    return [kernel_rays(request.rays), number_of(request.integration)]


def _labelled(field: Field) -> tuple[object, object, object, object]:
    """Labels [a, b, c], values [1, a, b, c] or none, both without a copy, their scale [1] and abc_from_world [4, 4].

    The axes a, b, c are I, J, K in their `memory_order`.
    """
    assert field.labels is not None  # it has come with them
    order = memory_order(field.labels)
    values = torch.empty(0) if field.values is None else field.values.detach().permute(0, *(1 + a for a in order))
    matrix = field.ijk_from_world.detach().double()[[*order, 3]].contiguous()
    scale = torch.ones(1, dtype=torch.float64) if field.scale is None else field.scale.double()
    return field.labels.permute(order).numpy(), values.numpy(), scale.numpy(), matrix.numpy()
