"""Which pixels metal shades: the automatic window of a picture leaves them out."""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from deepdrr.camera import Camera
from deepdrr.projector._cut import SIDE
from deepdrr.projector._scene import Scene

__all__ = ["shaded_by_metal"]

_LEAST_MM = 0.2  # of metal: a guide wire has 0.36 mm
_RAYS = 128  # along each side, where the area densities are not at hand


def shaded_by_metal(scene: Scene, camera: Camera, area_densities: Tensor | None) -> Tensor | None:
    """Where metal is in the beam.

    Args:
        scene: the objects in the beam.
        camera: the geometry [*batch].
        area_densities: of the scene's materials [*batch, M, H, W], g/cm², if they are at hand.

    Returns:
        bool [*batch, h, w] on a coarse grid over the detector; None if no material is a metal.
    """
    metals = [n for n, material in enumerate(scene.materials) if material.is_metal]
    if not metals:
        return None
    with torch.no_grad():
        if area_densities is None:
            coarse = camera.resized(min(_RAYS, camera.height), min(_RAYS, camera.width))
            area_densities = scene.area_densities(coarse)
        grams_per_mm = area_densities.new_tensor([scene.materials[n].density_g_cm3 / 10 for n in metals])
        thickness_mm = (area_densities[..., metals, :, :] / grams_per_mm[:, None, None]).sum(dim=-3)
        batch, size = thickness_mm.shape[:-2], thickness_mm.shape[-2:]
        thickest = adaptive_max_pool2d(thickness_mm.reshape(-1, 1, *size).float(), [min(SIDE, n) for n in size])
        return (thickest > _LEAST_MM).reshape(*batch, *thickest.shape[-2:]).cpu()
