"""`cast_rays`: area densities along the rays of a view, where the physics of the beam takes them."""

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import finest_dtype
from deepdrr.projector._technique import Technique
from deepdrr.raycast import Rays
from deepdrr.scatter import InBeam

__all__ = ["cast_rays", "with_double"]


def cast_rays(scene: InBeam, view: Camera | Rays, technique: Technique) -> Tensor:
    """Area densities [*batch, M, H, W] along the rays of a view, g/cm², on the device of the beam physics."""
    areas = scene.area_densities(view, integration=technique.integration, backend=technique.backend)
    return areas.to(with_double(areas.device))


def with_double(device: torch.device) -> torch.device:
    """The device of the beam physics, which needs double precision: the host if a device lacks it."""
    return device if finest_dtype(device) == torch.float64 else torch.device("cpu")
