"""Integrals routed to one channel per label by the compiled kernels."""

from typing import Any

import torch
from torch import Tensor

from deepdrr.raycast._integration import number_of
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._kernel_arguments import kernel_rays, labeled
from deepdrr.raycast.layout._kernel_layout import readable_with_labels

__all__ = ["label_integrals"]


def label_integrals(kernels: Any, request: Request) -> Tensor:
    """Line integrals [..., L, H, W] of a request with labels, float32, without gradients."""
    field, shape = readable_with_labels(request.field), request.rays.shape
    out = torch.empty(shape[:-2].numel(), field.channels, *shape[-2:], dtype=torch.float32)
    if out.numel() > 0:
        kernel, rays = getattr(kernels, kernel_name(request)), kernel_rays(kernels, request.rays)
        kernel(*labeled(field), rays, number_of(request.integration), out.numpy(), torch.get_num_threads())
    return out.reshape(request.output_shape)
