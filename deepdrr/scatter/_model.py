"""The protocol of scatter models: kernels, networks and Monte Carlo all follow it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.materials import Material
from deepdrr.raycast import Integration, Rays
from deepdrr.spectrum import XRaySource

__all__ = ["InBeam", "ScatterInput", "ScatterModel", "ScatteredFluence"]


class InBeam(Protocol):
    """The objects in the beam as later stages see them; `deepdrr.projector.Scene` is one."""

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials."""

    @property
    def center_world(self) -> Tensor:
        """Centre of the patient [3], mm."""

    @property
    def device(self) -> torch.device:
        """The device on which rays are cast."""

    def area_densities(self, view: Camera | Rays, *, integration: Integration, backend: str) -> Tensor:
        """Area density of each material along every ray [*batch, M, H, W], g/cm²."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ScatterInput:
    """The input of a scatter model for one exposure.

    Attributes:
        scene: the objects in the beam.
        area_densities: [*batch, M, H, W] g/cm², of the M materials of the scene.
        materials: the M materials.
        camera: position of source and detector [*batch].
        source: spectrum, heel effect, focal spot and shutters.
        fluence: factor from the spectrum's photons to photons per pixel of the open field [*batch, H, W], behind the
            shutters.
    """

    scene: InBeam
    area_densities: Tensor
    materials: tuple[Material, ...]
    camera: Camera
    source: XRaySource
    fluence: Tensor


@dataclass(frozen=True, eq=False)
class ScatteredFluence:
    """Scattered photons that arrive at the detector, before the anti-scatter grid.

    The map is coarse because scatter is smooth: its h × w cells cover the whole detector.

    Attributes:
        photons_per_mm2: [*batch, K, h, w], photons per mm² of the detector in each group of energies.
        energies_kev: mean energy of the photons of each group [K], keV.

    Raises:
        TypeError: if one of them is not a tensor.
        ValueError: if the shapes do not fit together, or a number is negative or not finite.
    """

    photons_per_mm2: Tensor
    energies_kev: Tensor

    def __post_init__(self) -> None:
        photons, energies = self.photons_per_mm2, self.energies_kev
        for name, values in (("photons_per_mm2", photons), ("energies_kev", energies)):
            if not isinstance(values, Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(values).__name__}")
        if energies.ndim != 1 or photons.ndim < 3 or photons.shape[-3] != len(energies) or not photons.numel():
            raise ValueError(
                "photons_per_mm2 must be [*batch, K, h, w] for energies_kev [K], "
                f"got {tuple(photons.shape)} and {tuple(energies.shape)}"
            )
        for name, values in (("photons_per_mm2", photons.detach()), ("energies_kev", energies.detach())):
            if not bool((torch.isfinite(values) & (values >= 0)).all()):
                raise ValueError(f"{name} must be finite and not negative, got {float(values.min()):g} as its least")


@runtime_checkable
class ScatterModel(Protocol):
    """Estimates the scattered photons of an exposure.

    A model is linear in the photons of the beam, and differentiable if possible.
    """

    def estimate(self, seen: ScatterInput) -> ScatteredFluence:
        """The scattered photons that arrive at the detector.

        Args:
            seen: the scene, the camera and the beam.
        """
