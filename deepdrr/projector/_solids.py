"""What solids do to area densities: anatomy is taken out of their inside, and their own material is put there."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr.materials import G_CM2_PER_MM, Material
from deepdrr.raycast import Field, Integration, Rays, project
from deepdrr.tools import Intervals, Solid

__all__ = ["areas_of_solids", "integrals_inside", "summed_up", "taken_out"]


def integrals_inside(fields: Sequence[Field], parts: Intervals, *, integration: Integration, backend: str) -> Tensor:
    """Integrals of fields with the same channels along parts of rays [C, K], in the unit of `project`.

    Args:
        fields: the fields; their integrals are summed.
        parts: the parts of rays.
        integration, backend: see `deepdrr.raycast.project`.
    """
    source, target = parts.lines.ends(parts.ray)
    rays = Rays(source[None], target[None], parts.enter[None], parts.leave[None])
    found = summed_up([project(field, rays, integration=integration, backend=backend) for field in fields])
    return found[:, 0]


def summed_up(images: Sequence[Tensor]) -> Tensor:
    """The sum of images, itself if there is one."""
    total = images[0]
    for image in images[1:]:
        total = total + image
    return total


def taken_out(integrals: Tensor, inside: Tensor, parts: Intervals) -> Tensor:
    """Integrals along whole rays [*batch, C, H, W] without those along parts of them [C, K]."""
    channels = integrals.shape[-3]
    pixels = parts.lines.shape[-2:].numel()
    first = parts.ray // pixels * (channels * pixels) + parts.ray % pixels
    places = first + torch.arange(channels, device=first.device)[:, None] * pixels
    flat = integrals.reshape(-1)
    changed = flat.index_add(0, places.reshape(-1), -inside.to(flat).reshape(-1))
    return changed.reshape(integrals.shape)


def areas_of_solids(
    present: Intervals, solids: Sequence[Solid], dtype: torch.dtype
) -> tuple[Tensor, tuple[Material, ...]]:
    """Area densities of the solids' materials [*batch, M, H, W], g/cm², and the M materials.

    Args:
        present: the parts of rays in which each solid is there, see `deepdrr.tools.settle`.
        solids: the solids.
        dtype: that of the area densities.
    """
    materials = tuple(dict.fromkeys(solid.material for solid in solids))
    channel = torch.tensor([materials.index(solid.material) for solid in solids], device=present.ray.device)
    density = torch.tensor([float(solid.density_g_cm3) for solid in solids], dtype=torch.float64)
    areas = present.length_mm * (G_CM2_PER_MM * density.to(present.ray.device))[present.solid]
    *batch, height, width = present.lines.shape
    pixels = height * width
    places = (present.ray // pixels * len(materials) + channel[present.solid]) * pixels + present.ray % pixels
    image = torch.zeros(present.lines.shape.numel() * len(materials), dtype=dtype, device=areas.device)
    image = image.index_add(0, places, areas.to(dtype))
    return image.reshape(*batch, len(materials), height, width), materials
