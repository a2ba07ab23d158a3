"""Gradients with respect to the values, by the compiled kernels: the integrals' adjoints.

The result has the same bits for any number of threads: the grid is cut into slabs, and a single thread adds to each
slab in the order of the rays.
"""

from typing import Any

import torch
from torch import Tensor

from deepdrr.raycast._integration import number_of
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._kernel_arguments import images, kernel_rays, labeled
from deepdrr.raycast.layout._kernel_layout import without_values
from deepdrr.raycast.layout._memory_order import memory_order, zeros

__all__ = ["grad_values", "grad_values_with_labels"]


def grad_values(kernels: Any, upstream: Tensor, request: Request) -> Tensor:
    """The gradient with respect to the values [C, I, J, K], float32; it is the same for any values.

    Args:
        kernels: the compiled module.
        upstream: [..., C, H, W].
        request: the integrals; only the shape of its field matters.
    """
    field = request.field
    gradient = torch.zeros(field.channels, *field.shape)
    pictures = images(upstream)
    if pictures.numel() > 0:
        kernel, rays = getattr(kernels, kernel_name(request, "_grad_values")), kernel_rays(kernels, request.rays)
        matrix = field.ijk_from_world.detach().double().contiguous().numpy()
        rule, threads = number_of(request.integration), torch.get_num_threads()
        kernel(gradient.numpy(), matrix, rays, rule, pictures.numpy(), threads)
    return gradient


def grad_values_with_labels(kernels: Any, upstream: Tensor, request: Request) -> Tensor:
    """The gradient with respect to the values [1, I, J, K] of a request with labels, float32; the same for any values.

    Args:
        kernels: the compiled module.
        upstream: [..., L, H, W].
        request: the integrals; the values of its field do not matter.
    """
    field = without_values(request.field)
    assert field.labels is not None  # the request has labels
    strides = field.labels.stride()
    numbers = 1 + sum((n - 1) * stride for n, stride in zip(field.shape, strides, strict=True))
    gradient = zeros(numbers, torch.float32).as_strided((1, *field.shape), (numbers, *strides))
    labels, _, _, matrix = labeled(field)
    if upstream.numel() > 0:
        kernel, rays = getattr(kernels, kernel_name(request, "_grad_values")), kernel_rays(kernels, request.rays)
        placed = gradient.permute(0, *(1 + axis for axis in memory_order(field.labels))).numpy()
        rule, threads = number_of(request.integration), torch.get_num_threads()
        kernel(labels, placed, matrix, rays, rule, images(upstream).numpy(), threads)
    return gradient
