"""From ray integrals of densities to area densities, and the sum over volumes with materials of their own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr.geometry import finest_dtype
from deepdrr.materials import G_CM2_PER_MM, Material

__all__ = ["areas_of", "summed"]


def areas_of(integrals: Tensor, backend: str) -> Tensor:
    """Convert integrals of densities in g/cm³ along rays in mm to g/cm²; the reference keeps double precision."""
    if backend == "reference":
        integrals = integrals.to(finest_dtype(integrals.device))
    return integrals * G_CM2_PER_MM if integrals.requires_grad else integrals.mul_(G_CM2_PER_MM)


def summed(parts: Sequence[tuple[Tensor, tuple[Material, ...]]]) -> Tensor:
    """Sum the area densities of several volumes, each with its own materials, into one image per material."""
    planes: dict[Material, Tensor] = {}
    for areas, materials in parts:
        for plane, material in zip(areas.unbind(-3), materials, strict=True):
            planes[material] = planes[material] + plane if material in planes else plane
    return torch.stack(list(planes.values()), dim=-3)
