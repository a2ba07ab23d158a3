"""What a beam of many energies leaves in a detector behind a subject, in one graph with the rays.

area densities  aₘ = ∫ ρₘ dℓ                                  `project`, per basis material
signal          S  = Σₑ n(E) R(E) exp(−Σₘ aₘ (µ/ρ)ₘ(E))       `absorb`
image           grid, blur, pattern, readout of the mean       `expected_signal`
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypedDict

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.data import Subject
from deepdrr.detector import (
    Detector,
    EnergyIntegratingDetector,
    Exposure,
    QuantumSignal,
    absorb,
    expected_signal,
    fluence_scale,
    pixel_size_mm,
)
from deepdrr.drr._densities import density_field
from deepdrr.drr._integrals import Rule
from deepdrr.drr._rays import of_subject
from deepdrr.geometry import finest_dtype
from deepdrr.materials import Material
from deepdrr.projector import MaterialModel
from deepdrr.raycast import Rays
from deepdrr.spectrum import Spectrum

__all__ = ["Physics", "PolychromaticChain", "View", "polychromatic_chain"]

_G_CM2_PER_MM = 0.1  # 1 mm of 1 g/cm³


class Physics(TypedDict, total=False):
    """What `render` takes beyond one effective energy.

    spectrum: the open beam, such as `tungsten_spectrum(80.0)`. Gradients flow to its tube voltage and to the thickness
        of its filters, where they are tensors that ask for one.
    materials: how Hounsfield units become materials: ``"continuous"`` (default), ``"three_class"`` or a
        `deepdrr.projector.MaterialModel`, with metal by label, contrast media, and factors on the densities.
    exposure: of the frame. Without one images are relative to the open beam, 1 in air; with one they are the detector's
        mean signal per pixel, in its unit.
    detector: default `EnergyIntegratingDetector()`, whose signal is the energy that arrives; any of
        `deepdrr.detector`.
    """

    spectrum: Spectrum
    materials: MaterialModel | Literal["continuous", "three_class"]
    exposure: Exposure
    detector: Detector


@dataclass(frozen=True)
class View:
    """The camera as the detector knows it: inverse intrinsics [*B, 3, 3], distance [*B], rows and columns."""

    k_inv: Tensor
    sdd: Tensor
    height: int
    width: int
    orthographic: bool

    def camera(self) -> Camera:
        """A camera of these intrinsics, anywhere."""
        k_inv = self.k_inv.double()
        eye = torch.eye(4, dtype=torch.float64, device=k_inv.device)
        intrinsics = torch.linalg.solve_triangular(k_inv, eye[:3, :3].expand(k_inv.shape), upper=True)
        return Camera(intrinsics, eye, self.sdd.double(), self.height, self.width, self.orthographic)

    def on_host(self) -> Self:
        """The same view, its numbers on the CPU."""
        return replace(self, k_inv=self.k_inv.cpu(), sdd=self.sdd.cpu())


@dataclass(frozen=True)
class PolychromaticChain:
    """From subjects and rays to mean images."""

    spectrum: Spectrum
    model: MaterialModel
    exposure: Exposure | None
    detector: Detector

    def __call__(self, subject: Subject | Sequence[Subject], rays: Rays, rule: Rule, view: View) -> Tensor:
        """Mean images [*B, K, H, W], of K = 1 channel, or of a counter's K windows."""
        if isinstance(subject, Subject):
            areas, materials = self._area_densities(subject, rays, rule)
        else:
            found = [self._area_densities(one, of_subject(rays, n), rule) for n, one in enumerate(subject)]
            areas, materials = torch.stack([a for a, _ in found]), found[0][1]
        areas, home = self.model.scaled(areas, materials), areas.device
        if finest_dtype(home) == torch.float64:
            return self._image(areas, materials, view)
        # The physics of the beam is in double precision throughout.
        return self._image(areas.cpu(), materials, view.on_host()).to(home, finest_dtype(home))

    def _area_densities(self, subject: Subject, rays: Rays, rule: Rule) -> tuple[Tensor, tuple[Material, ...]]:
        """[*B, M, H, W] in g/cm². The reference is in double precision from here on."""
        if not subject.convert_to_mu:
            raise ValueError("subject must hold Hounsfield units for a spectrum, it has convert_to_mu = False")
        field, materials = density_field(subject, self.model)
        integrals = rule(field, rays)
        precise = finest_dtype(integrals.device) if rule.backend == "reference" else integrals.dtype
        return integrals.to(precise) * _G_CM2_PER_MM, materials

    def _image(self, areas: Tensor, materials: tuple[Material, ...], view: View) -> Tensor:
        blurs = getattr(self.detector, "blur", None) is not None
        camera = view.camera() if blurs or self.exposure is not None else None
        pixel_mm = pixel_size_mm(camera) if camera is not None and blurs else None

        def image(areas: Tensor, fluence: Tensor | float) -> Tensor:
            signal = absorb(areas, self.spectrum, materials, self.detector, fluence=fluence)
            parts = (part.expand(*part.shape[:-2], view.height, view.width) for part in (signal.mean, signal.variance))
            return expected_signal(QuantumSignal(*parts), self.detector, pixel_mm=pixel_mm)

        if self.exposure is not None:
            assert camera is not None  # it was made for the exposure
            result = image(areas, fluence_scale(self.exposure, self.spectrum, camera).to(areas))
        else:
            result = image(areas, 1.0) / image(areas.new_zeros(len(materials), 1, 1), 1.0)
        return result if result.ndim == areas.ndim else result.unsqueeze(-3)


def polychromatic_chain(physics: Physics, *, labelled: bool, explicit_rays: bool) -> PolychromaticChain | None:
    """The chain that `render`'s keywords ask for, or None without any.

    Args:
        physics: the keywords.
        labelled: whether soft labels were asked for.
        explicit_rays: whether ends of rays were given.

    Raises:
        TypeError, ValueError: if a keyword is not acceptable, or does not go with the others.
    """
    if unknown := sorted(physics.keys() - Physics.__annotations__.keys()):
        raise TypeError(f"render takes {', '.join(Physics.__annotations__)} besides its camera, got {unknown[0]}")
    given = {name: value for name, value in physics.items() if value is not None}
    if not given:
        return None
    spectrum, exposure = physics.get("spectrum"), physics.get("exposure")
    detector = physics.get("detector") or EnergyIntegratingDetector()
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"spectrum must be a Spectrum, such as tungsten_spectrum(80.0), got {spectrum!r}")
    if exposure is not None and not isinstance(exposure, Exposure):
        raise TypeError(f"exposure must be an Exposure, such as Exposure(mas=25), got {exposure!r}")
    if not isinstance(detector, Detector):
        raise TypeError(f"detector must be a detector, such as FlatPanel(), got {detector!r}")
    if exposure is None and getattr(detector, "readout", None) is not None:
        raise ValueError("exposure must be given for a detector with a readout, whose ADU depend on it")
    if exposure is not None and explicit_rays:
        raise ValueError("exposure needs the camera's own rays, but src or tgt were given: leave it out or them")
    if labelled:
        raise ValueError("soft_labels have no meaning with a spectrum: intensities of labels do not add up")
    return PolychromaticChain(spectrum, _model(physics.get("materials")), exposure, detector)


def _model(materials: object) -> MaterialModel:
    if materials is None:
        return MaterialModel()
    if isinstance(materials, MaterialModel):
        return materials
    if materials in ("continuous", "three_class"):
        return MaterialModel(method=materials)
    raise ValueError(f"materials must be 'continuous', 'three_class' or a MaterialModel, got {materials!r}")
