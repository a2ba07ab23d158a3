"""Calls of the compiled kernels: float32, on the threads that torch is set to use."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._rays import PixelRays, Rays, unexpanded
from deepdrr.raycast._request import Request
from deepdrr.raycast._unchecked import unchecked
from deepdrr.raycast.layout._kernel_layout import arranged
from deepdrr.raycast.layout._arrangement import Layout
from deepdrr.raycast.layout._memory_order import memory_order, readable_in_place

__all__ = ["flat_rays", "integrate", "kernel_rays", "packed", "readable"]

# The first and the last t of rays without limits, and a place that adds nothing.
_UNLIMITED = (np.zeros((1, 1, 1)), np.ones((1, 1, 1)))
_NOTHING = np.zeros((1, 1, 1, 3))


def integrate(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request, float32, without gradients."""
    field, shape = readable(request), request.rays.shape
    out = torch.empty(shape[:-2].numel(), field.channels, *shape[-2:], dtype=torch.float32)
    if out.numel() == 0:
        return out.reshape(request.output_shape)
    name = f"{'exact' if isinstance(request.integration, Exact) else 'step'}_{request.interpolation}"
    layout = _layout(field, request) if name == "step_linear" else None
    if layout is not None:
        field = unchecked(Field, **{**field.__dict__, "values": layout.values})
    rays, threads = kernel_rays(request.rays), torch.get_num_threads()
    more = () if layout is None or layout.blocks is None else (layout.blocks,)
    getattr(load_kernels(), name)(*packed(field), rays, number_of(request.integration), out.numpy(), threads, *more)
    return out.reshape(request.output_shape)


def _layout(field: Field, request: Request) -> Layout | None:
    """The layout of the field's values that suits the rays, where `arranged` has left a choice."""
    known, rays = field.arrangement, request.rays
    if known is None or field.values is None or not known.serves(field.values):
        return None
    return known.suiting(rays, field.ijk_from_world) if isinstance(rays, PixelRays) else known.layout


def readable(request: Request) -> Field:
    """A field that the kernels can read, copied only where they cannot read it where it is."""
    field = request.field
    in_place = field.values is not None and readable_in_place(field.values)
    if in_place and field.values is not None and request.interpolation == "cubic":
        in_place = field.values.dtype == torch.float32
    return field if in_place else arranged(field)


def packed(field: Field) -> tuple[object, object, object]:
    """The values of a readable field [C, a, b, c], without a copy, their scale [C] and abc_from_world [4, 4].

    The axes a, b, c are I, J, K in their `memory_order`.
    """
    assert field.values is not None
    order = memory_order(field.values)
    values = field.values.detach().permute(0, *(1 + axis for axis in order))
    matrix = field.ijk_from_world.detach().double().numpy()[[*order, 3]]
    scale = np.ones(len(values)) if field.scale is None else field.scale.double().numpy()
    return values.numpy(), scale, matrix


def kernel_rays(rays: Rays | PixelRays) -> Any:
    """Rays as the kernels take them: ends that are sums of two arrays, and limits, float64; axes of one repeat."""
    *batch, height, width = rays.shape
    shape = (math.prod(batch), height, width)
    if isinstance(rays, PixelRays):
        lines = [line for pair in (rays.source_lines, rays.target_lines) for line in pair]
        return load_kernels().Rays(shape, *(_one_batch(line, batch) for line in lines), *_UNLIMITED)
    ends = [end for tensor in (rays.source, rays.target) for end in (_flat(tensor, rays.shape, 3).numpy(), _NOTHING)]
    return load_kernels().Rays(shape, *ends, *(limit.numpy() for limit in _limits(rays)))


def _one_batch(lines: NDArray[np.float64], batch: Sequence[int]) -> NDArray[np.float64]:
    """[..., H, W, 3] → [B, H, W, 3], where B may be 1."""
    if len(batch) > 1:
        lines = np.broadcast_to(lines, (*batch, *lines.shape[-3:]))
    return lines.reshape(-1, *lines.shape[-3:])


def flat_rays(request: Request) -> list[Tensor]:
    """Source, target [B, H, W, 3], start and stop [B, H, W] in float64, with stride 0 along what they share."""
    rays = request.rays
    return [*(_flat(tensor, rays.shape, 3) for tensor in (rays.source, rays.target)), *_limits(rays)]


def _limits(rays: Rays | PixelRays) -> list[Tensor]:
    shape = rays.shape
    flat = []
    for limit, unlimited in zip((rays.start, rays.stop), _UNLIMITED, strict=True):
        if limit is None:
            everywhere = torch.from_numpy(unlimited).to(rays.device)
            flat.append(everywhere.expand(shape[:-2].numel(), *shape[-2:]))
        else:
            flat.append(_flat(limit[..., None], shape, 1)[..., 0])
    return flat


def _flat(tensor: Tensor, shape: torch.Size, components: int) -> Tensor:
    """[..., H, W, components] → [B, H, W, components]; an axis of stride 0 stays one."""
    batch, (height, width) = shape[:-2], shape[-2:]
    small = unexpanded(tensor).double().contiguous()
    if len(batch) > 1:
        small = small.reshape((1,) * (len(shape) + 1 - small.dim()) + small.shape)
        if any(n != 1 for n in small.shape[:-3]):
            small = small.expand(*batch, *small.shape[-3:])
        small = small.reshape(-1, *small.shape[-3:])
    return small.expand(batch.numel(), height, width, components)
