"""Which points metal hides in an X-ray image."""

import math
from typing import Any

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.materials import attenuation_matrix
from deepdrr.raycast import Rays

__all__ = ["HIDDEN_BY", "hidden_by_metal"]

_ENERGY_KEV = 60.0

HIDDEN_BY = math.log(2.0)
"""Attenuation by metal, ∫ µ dℓ at 60 keV, from which on it hides what is on the ray: half of the photons are lost."""


def hidden_by_metal(scene: Any, camera: Camera, pixels: Tensor, candidates: Tensor) -> Tensor:
    """Whether metal hides points of the image.

    An X-ray image has no in front and behind: a point is hidden if the metal on its ray, from the source to the
    detector, takes at least half of the photons of 60 keV (`HIDDEN_BY`), wherever on the ray the metal is. That is
    2 mm of titanium or 0.7 mm of steel. Metal is what the materials of the scene say
    (`Material.is_metal`): a tool, or a label filled with it; metal in a CT that no label names is not known as such.

    Args:
        scene: what is in the beam.
        camera: [*batch].
        pixels: (u, v) [*batch, N, 2].
        candidates: the points that are asked about [*batch, N]; the others are not hidden.

    Returns:
        bool [*batch, N].
    """
    metals = [n for n, material in enumerate(scene.materials) if material.is_metal]
    if not metals or not bool(candidates.any()):
        return torch.zeros_like(candidates)
    centre = pixels.new_tensor([camera.width / 2, camera.height / 2])
    at = torch.where(candidates[..., None], pixels, centre)
    source = camera.backproject(at, 0.0)[..., None, :, :].detach()
    target = camera.backproject(at)[..., None, :, :].detach()
    with torch.no_grad():
        areas = scene.area_densities(Rays(source.to(scene.device), target.to(scene.device)))
    energy = torch.tensor([_ENERGY_KEV], dtype=torch.float64)
    mu = attenuation_matrix([scene.materials[n] for n in metals], energy)[:, 0].to(pixels.device)
    metal = areas[..., metals, 0, :].double().to(pixels.device)
    attenuation = torch.einsum("...mn,m->...n", metal, mu)
    return candidates & (attenuation >= HIDDEN_BY)
