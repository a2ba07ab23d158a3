"""`Frame`: one exposure of a volume, its stages computed when asked for and at most once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.detector import (
    Detector,
    Exposure,
    QuantumSignal,
    absorb,
    air_kerma_map,
    detect,
    expected_signal,
    fluence_scale,
    pixel_size_mm,
)
from deepdrr.materials import Material, attenuation_matrix
from deepdrr.projector._prepared import PreparedVolume
from deepdrr.projector._source_shape import (
    blurred,
    each,
    layer_materials,
    layers,
    mean_over_spot,
    plane_magnification,
)
from deepdrr.raycast import Integration, project
from deepdrr.spectrum import PrimaryBeam, Spectrum, XRaySource, attenuate, mean_energy, shutter_transmission

__all__ = ["OUTPUTS", "Frame", "Technique"]

Signal = TypeVar("Signal", Tensor, PrimaryBeam, QuantumSignal)

# One mm of 1 g/cm³ is 0.1 g/cm².
_G_CM2_PER_MM = 0.1


@dataclass(frozen=True, kw_only=True)
class Technique:
    """How an image is taken and computed: beam, exposure, detector, and the ray integral's rule."""

    source: XRaySource
    exposure: Exposure
    detector: Detector
    integration: Integration
    backend: str

    @property
    def spectrum(self) -> Spectrum:
        """The open beam on the central ray."""
        return self.source.spectrum


@dataclass(frozen=True, eq=False)
class Frame:
    """One exposure, on the device of the densities. Every stage is a call of a public function on the stages before it.

    Attributes:
        prepared: what is in the beam.
        camera: where source and detector are.
        technique: how the image is taken.
        generator: source of the noise, or None.
    """

    prepared: PreparedVolume
    camera: Camera
    technique: Technique
    generator: torch.Generator | None

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials."""
        return self.prepared.materials

    @cached_property
    def area_densities(self) -> Tensor:
        """[..., M, H, W], g/cm²."""
        return self._area_densities(self.camera)

    def _area_densities(self, camera: Camera) -> Tensor:
        technique, field = self.technique, self.prepared.density_field
        view = camera.to(field.device)
        integrals = project(field, view, integration=technique.integration, backend=technique.backend)
        areas = integrals.mul_(_G_CM2_PER_MM) if not integrals.requires_grad else integrals * _G_CM2_PER_MM
        return self.prepared.model.scaled(areas, self.materials)

    @cached_property
    def line_integrals(self) -> Tensor:
        """∫ µ dℓ at the beam's mean energy [..., H, W], dimensionless."""
        energy = mean_energy(self.technique.spectrum).reshape(1)
        mu = attenuation_matrix(self.materials, energy)[:, 0].to(self.area_densities)
        return torch.einsum("...mhw,m->...hw", self.area_densities, mu)

    @cached_property
    def fluence(self) -> Tensor:
        """Factor from the spectrum's photons to photons per pixel of the open field [..., H, W]."""
        technique = self.technique
        return fluence_scale(technique.exposure, technique.spectrum, self.camera)

    @cached_property
    def primary(self) -> PrimaryBeam:
        """Moments of the beam that reaches each pixel unscattered, per pixel."""
        source = self.technique.source

        def stage(areas: Tensor) -> PrimaryBeam:
            return attenuate(
                areas,
                source.spectrum,
                layer_materials(self.materials, source),
                fluence=self.fluence.to(areas),
                negative="raise" if source.heel is None else "allow",
                tolerance=source.tolerance,
            )

        return self._seen(stage)

    @cached_property
    def air_kerma(self) -> Tensor:
        """Of the primary beam at the detector, before the grid [..., H, W], nGy."""
        source = self.technique.source
        materials = layer_materials(self.materials, source)

        def stage(areas: Tensor) -> Tensor:
            fluence = self.fluence.to(areas)
            return air_kerma_map(areas, source.spectrum, materials, fluence=fluence, pixel_mm=self.pixel_mm)

        return self._seen(stage)

    @cached_property
    def absorbed(self) -> QuantumSignal:
        """What the unscattered photons leave in each pixel of the detector, before grid and blur."""
        return self._seen(self._absorb)

    def _absorb(self, areas: Tensor) -> QuantumSignal:
        technique, source = self.technique, self.technique.source
        return absorb(
            areas,
            source.spectrum,
            layer_materials(self.materials, source),
            technique.detector,
            fluence=self.fluence.to(areas),
            tolerance=source.tolerance,
        )

    def _seen(self, stage: Callable[[Tensor], Signal]) -> Signal:
        """A stage after the area densities, as heel, focal spot and shutters of the source shape it."""
        source = self.technique.source
        spot = source.focal_spot
        if spot is not None and spot.samples is not None:
            found = mean_over_spot(
                self.camera, spot, lambda camera: stage(layers(self._area_densities(camera), camera, source))
            )
        else:
            found = stage(layers(self.area_densities, self.camera, source))
        if spot is not None and spot.samples is None:
            magnifications, pixel_mm = plane_magnification(self.prepared.volume, self.camera), self.pixel_mm
            views = len(magnifications)
            found = each(found, lambda image: blurred(image, spot, magnifications, pixel_mm, views))
        return self._collimated(found)

    def _collimated(self, signal: Signal) -> Signal:
        source = self.technique.source
        if source.shutters is None:
            return signal
        passing = shutter_transmission(self.camera, source.shutters, source.focal_spot)

        def covered(image: Tensor) -> Tensor:
            extra = image.ndim - len(self.camera.batch_shape) - 2  # the energy bins of a counter
            factor = passing.reshape(*passing.shape[:-2], *[1] * extra, *passing.shape[-2:])
            return image * factor.to(image)

        return each(signal, covered)

    @cached_property
    def scatter(self) -> QuantumSignal | None:
        """What the scattered photons leave in each pixel, before the grid: none, there is no model of it yet."""
        return None

    @cached_property
    def open_field(self) -> Tensor:
        """Mean signal with nothing in the beam [..., H, W], in the detector's unit."""
        technique = self.technique
        nothing = torch.zeros(len(self.materials), 1, 1, dtype=torch.float64)
        found = self._collimated(self._absorb(layers(nothing, self.camera, technique.source)))
        return expected_signal(found, technique.detector, pixel_mm=self.pixel_mm)

    @cached_property
    def expected_image(self) -> Tensor:
        """Mean of the raw signal [..., H, W], in the detector's unit."""
        return expected_signal(self.absorbed, self.technique.detector, scatter=self.scatter, pixel_mm=self.pixel_mm)

    @cached_property
    def image(self) -> Tensor:
        """Raw signal with noise [..., H, W], in the detector's unit."""
        return detect(
            self.absorbed,
            self.technique.detector,
            scatter=self.scatter,
            pixel_mm=self.pixel_mm,
            generator=self.generator,
        )

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance between rows and between columns on the detector, mm."""
        return pixel_size_mm(self.camera)

    @cached_property
    def label_path_lengths(self) -> Tensor:
        """[..., L, H, W], mm."""
        view, backend = self.camera.to(self.prepared.densities.device), self.technique.backend
        lengths = [
            project(field, view, interpolation="nearest", backend=backend)[..., 1:, :, :]
            for field in self.prepared.label_fields()
        ]
        return torch.cat(lengths, dim=-3)


OUTPUTS: dict[str, Callable[[Frame], Tensor]] = {
    "area_densities": lambda frame: frame.area_densities,
    "line_integrals": lambda frame: frame.line_integrals,
    "primary_photons": lambda frame: frame.primary.photons,
    "primary_energy": lambda frame: frame.primary.energy_kev,
    "air_kerma": lambda frame: frame.air_kerma,
    "open_field": lambda frame: frame.open_field,
    "expected_image": lambda frame: frame.expected_image,
    "image": lambda frame: frame.image,
    "label_path_lengths": lambda frame: frame.label_path_lengths,
    "label_masks": lambda frame: frame.label_path_lengths > 0,
}
