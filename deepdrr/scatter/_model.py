"""The protocol of scatter models: none, a kernel, a network and Monte Carlo are of one kind."""

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
    """What stands in the beam, as the stages after it see it; `deepdrr.projector.Scene` is one."""

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials."""

    @property
    def center_world(self) -> Tensor:
        """Centre of the patient [3], mm."""

    @property
    def device(self) -> torch.device:
        """Where rays are cast."""

    def area_densities(self, view: Camera | Rays, *, integration: Integration, backend: str) -> Tensor:
        """Area density of each material along every ray [*batch, M, H, W], g/cm²."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ScatterInput:
    """What a scatter model sees of one exposure.

    Attributes:
        scene: what stands in the beam.
        area_densities: [*batch, M, H, W] g/cm², of the M materials of the scene.
        materials: the M materials.
        camera: where source and detector are [*batch].
        source: spectrum, heel effect, focal spot and shutters.
        fluence: factor from the spectrum's photons to photons per pixel of the open field [*batch, H, W]; the shutters
            have taken their part out of it.
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

    The map is coarse, since scatter is smooth: its h × w cells cover the whole detector.

    Attributes:
        photons_per_mm2: [*batch, K, h, w], photons per mm² of the detector in each group of energies.
        energies_kev: mean energy of the photons of each group [K], keV.

    Raises:
        ValueError: if shapes do not fit, or a number is negative or not finite.
    """

    photons_per_mm2: Tensor
    energies_kev: Tensor

    def __post_init__(self) -> None:
        photons, energies = self.photons_per_mm2, self.energies_kev
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

    A model is linear in the photons of the beam, and differentiable where it can be.
    """

    def estimate(self, seen: ScatterInput) -> ScatteredFluence:
        """The scattered photons that arrive at the detector.

        Args:
            seen: what is in the beam, from where it is seen, and how it is lit.
        """
