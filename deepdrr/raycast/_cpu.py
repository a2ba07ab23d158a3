"""Calls of the compiled kernels: float32, on the threads that torch is set to use."""

import torch
from torch import Tensor

from deepdrr._kernels import load_kernels
from deepdrr.raycast._arranged import arranged
from deepdrr.raycast._field import Field
from deepdrr.raycast._integration import Exact, number_of
from deepdrr.raycast._layout import memory_order, readable_in_place
from deepdrr.raycast._rays import Rays, unexpanded
from deepdrr.raycast._request import Request

__all__ = ["flat_ends", "flat_rays", "integrate", "packed", "readable"]


def integrate(request: Request) -> Tensor:
    """Line integrals [..., C, H, W] of a request, float32, without gradients."""
    field, shape = readable(request), request.rays.shape
    out = torch.empty(shape[:-2].numel(), field.channels, *shape[-2:], dtype=torch.float32)
    if out.numel() == 0:
        return out.reshape(request.output_shape)
    rays = [ends.numpy() for ends in flat_rays(request)]
    rule = "exact" if isinstance(request.integration, Exact) else "step"
    kernel = getattr(load_kernels(), f"{rule}_{request.interpolation}")
    kernel(*packed(field), *rays, number_of(request.integration), out.numpy(), torch.get_num_threads())
    return out.reshape(request.output_shape)


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
    matrix = field.ijk_from_world.detach().double()[[*order, 3]].contiguous()
    scale = torch.ones(field.channels, dtype=torch.float64) if field.scale is None else field.scale.double()
    return values.numpy(), scale.numpy(), matrix.numpy()


def flat_rays(request: Request) -> list[Tensor]:
    """Source, target [B, H, W, 3], start and stop [B, H, W] in float64, with stride 0 along what they share."""
    return flat_ends(request.rays)


def flat_ends(rays: Rays) -> list[Tensor]:
    """The same of rays alone."""
    shape = rays.shape
    flat = [_flat(tensor, shape, 3) for tensor in (rays.source, rays.target)]
    for limit, unlimited in ((rays.start, 0.0), (rays.stop, 1.0)):
        if limit is None:
            everywhere = torch.full((1, 1, 1), unlimited, dtype=torch.float64, device=rays.device)
            flat.append(everywhere.expand(shape[:-2].numel(), *shape[-2:]))
        else:
            flat.append(_flat(limit[..., None], shape, 1)[..., 0])
    return flat


def _flat(tensor: Tensor, shape: torch.Size, components: int) -> Tensor:
    """[..., H, W, components] → [B, H, W, components]; an axis of stride 0 stays one."""
    batch, (height, width) = shape[:-2], shape[-2:]
    small = unexpanded(tensor).double().contiguous()
    small = small.reshape((1,) * (len(shape) + 1 - small.dim()) + small.shape)
    if any(n != 1 for n in small.shape[:-3]):
        small = small.expand(*batch, *small.shape[-3:])
    small = small.reshape(-1, *small.shape[-3:])
    return small.expand(batch.numel(), height, width, components)
