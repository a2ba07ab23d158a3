"""Line integrals by the compiled kernels: float32, on as many threads as torch is set to use."""

from typing import Any

import torch
from torch import Tensor

from deepdrr.raycast._field import Voxels
from deepdrr.raycast._integration import number_of
from deepdrr.raycast._kernel_names import kernel_name
from deepdrr.raycast._rays import CameraRays
from deepdrr.raycast._request import Request
from deepdrr.raycast.cpu._kernel_arguments import kernel_rays, packed, readable
from deepdrr.raycast.layout._arrangement import Layout

__all__ = ["layout_read", "line_integrals"]


def line_integrals(kernels: Any, request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request without labels, float32, without gradients."""
    field, shape = readable(request), request.rays.shape
    out = torch.empty(shape[:-2].numel(), field.channels, *shape[-2:], dtype=torch.float32)
    if out.numel() == 0:
        return out.reshape(request.output_shape)
    name = kernel_name(request)
    layout = layout_read(field, request) if name in ("exact_linear", "step_linear") else None
    if layout is not None:
        field = Voxels(layout.values, field.ijk_from_world, scale=field.scale)
    rays, threads = kernel_rays(kernels, request.rays), torch.get_num_threads()
    more = () if layout is None or layout.occupied is None else (layout.occupied,)
    getattr(kernels, name)(*packed(field), rays, number_of(request.integration), out.numpy(), threads, *more)
    return out.reshape(request.output_shape)


def layout_read(field: Voxels, request: Request) -> Layout | None:
    """The layout of the field's values that suits the rays, if `with_kernel_layout` has made several."""
    known, rays = field.arrangement, request.rays
    if known is None or field.values is None or not known.serves(field.values):
        return None
    return known.suiting(rays, field.ijk_from_world) if isinstance(rays, CameraRays) else known.layout
