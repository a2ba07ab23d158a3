"""`Stages`: one exposure of a scene; each stage is computed on request and at most once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.detector import (
    Detector,
    QuantumSignal,
    absorb,
    air_kerma_map,
    behind_grid,
    detect,
    expected_signal,
    fluence_scale,
    incidence_cosine,
    pixel_size_mm,
)
from deepdrr.materials import Material, attenuation_matrix
from deepdrr.projector._cast import cast_rays, with_double
from deepdrr.projector._labels import LabelSelection
from deepdrr.projector._scene import Scene
from deepdrr.projector._source_shape import (
    blurred,
    each,
    layer_materials,
    layers,
    parts_of_pixels,
    plane_magnification,
    plus,
    point_sources,
)
from deepdrr.projector._technique import Technique
from deepdrr.projector._tool_results import ToolResults
from deepdrr.raycast import Field, project
from deepdrr.scatter import InBeam, ScatteredFluence, ScatterInput, scatter_signal
from deepdrr.spectrum import PrimaryBeam, attenuate, mean_energy, shutter_transmission

__all__ = ["Stages"]

Signal = TypeVar("Signal", Tensor, PrimaryBeam, QuantumSignal)


def _check_scattered(found: object, camera: Camera) -> None:
    if not isinstance(found, ScatteredFluence):
        raise TypeError(f"scatter must be a model that gives a ScatteredFluence, got {type(found).__name__} from it")
    batch, views = found.photons_per_mm2.shape[:-3], camera.batch_shape
    if len(batch) > len(views) or any(n not in (1, b) for n, b in zip(batch[::-1], views[::-1], strict=False)):
        raise ValueError(f"photons_per_mm2 must fit the views {tuple(views)}, got the batch {tuple(batch)}")


@dataclass(frozen=True, eq=False)
class Stages:
    """One exposure. Every stage calls a public function with the results of earlier stages.

    Attributes:
        scene: the objects in the beam.
        camera: position of source and detector [*batch].
        technique: how the image is taken.
        generator: source of the noise, or None.
        cast: the area densities, if rays were cast already; None to cast the rays of the camera when needed.
        labels: the labels of the label results, by name or number; None for all.
        rays_per_pixel: rays along each side of a pixel, over which the photons are averaged.
    """

    scene: InBeam
    camera: Camera
    technique: Technique
    generator: torch.Generator | None
    cast: Tensor | None = None
    labels: LabelSelection = None
    rays_per_pixel: int = 1

    @property
    def device(self) -> torch.device:
        """The device of the beam physics."""
        return with_double(self.scene.device)

    # -- the beam ----------------------------------------------------------------------------------------------------

    @cached_property
    def detector(self) -> Detector:
        """The detector in this beam: a flat panel's glare depends on the voltage, what it averages over on the rays."""
        technique = self.technique
        adapted = getattr(technique.detector, "adapted", None)
        if adapted is None:
            return technique.detector
        found: Detector = adapted(kvp=technique.spectrum.kvp, rays_per_pixel=self.rays_per_pixel)
        return found

    @cached_property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials."""
        return self.scene.materials

    @cached_property
    def area_densities(self) -> Tensor:
        """[*batch, M, H, W], g/cm²."""
        return cast_rays(self.scene, self.camera, self.technique) if self.cast is None else self.cast

    @cached_property
    def line_integrals(self) -> Tensor:
        """∫ µ dℓ at the beam's mean energy [*batch, H, W], dimensionless."""
        energy = mean_energy(self.technique.spectrum).reshape(1)
        mu = attenuation_matrix(self.materials, energy)[:, 0].to(self.area_densities)
        return torch.einsum("...mhw,m->...hw", self.area_densities, mu)

    @cached_property
    def fluence(self) -> Tensor | None:
        """Factor from the spectrum's photons to photons per pixel of the open field [*batch, H, W].

        None without an exposure; the factor is then 1.
        """
        technique = self.technique
        if technique.exposure is None:
            return None
        return fluence_scale(technique.exposure, technique.source, self.camera)

    def _fluence(self, like: Tensor) -> Tensor | float:
        return 1.0 if self.fluence is None else self.fluence.to(like)

    @property
    def _beam(self) -> dict[str, Any]:
        """The beam for stages after the area densities: spectrum, and materials with the heel's tungsten."""
        source = self.technique.source
        return {"spectrum": source.spectrum, "materials": layer_materials(self.materials, source)}

    @cached_property
    def primary(self) -> PrimaryBeam:
        """Moments of the beam that reaches each pixel unscattered, per pixel."""
        source = self.technique.source
        negative: Literal["raise", "allow"] = "raise" if source.heel is None else "allow"
        return self._seen(partial(attenuate, **self._beam, negative=negative, tolerance=source.tolerance))

    @cached_property
    def air_kerma(self) -> Tensor:
        """Air kerma of the primary beam at the detector, before the grid [*batch, H, W], nGy."""
        through_pixels = self._seen(partial(air_kerma_map, **self._beam, pixel_mm=self.pixel_mm))
        return through_pixels / incidence_cosine(self.camera).to(through_pixels)

    @cached_property
    def absorbed(self) -> QuantumSignal:
        """Signal of the unscattered photons in each pixel of the detector, before grid and blur."""
        return self._seen(self._absorb)

    @property
    def _absorb(self) -> Callable[..., QuantumSignal]:
        technique = self.technique
        return partial(absorb, **self._beam, detector=technique.detector, tolerance=technique.source.tolerance)

    def _seen(self, stage: Callable[..., Signal]) -> Signal:
        """A stage after the area densities, with heel, focal spot and shutters of the source.

        It is the mean over the rays of each pixel, and over the points of a sampled focal spot.

        Args:
            stage: function of area densities [*batch, M, H, W] and a factor `fluence` on the photons.
        """
        spot = self.technique.source.focal_spot
        points = [self.camera] if spot is None or spot.samples is None else point_sources(self.camera, spot)
        cameras = [part for point in points for part in parts_of_pixels(point, self.rays_per_pixel)]
        total: Signal | None = None
        for camera in cameras:
            areas = self.area_densities if camera is self.camera else cast_rays(self.scene, camera, self.technique)
            areas = self._layers(areas, camera)
            one = stage(areas, fluence=self._fluence(areas))
            total = one if total is None else plus(total, one)
        assert total is not None  # there is a camera
        found = total if len(cameras) == 1 else each(total, lambda image: image / len(cameras))
        if spot is not None and spot.samples is None:
            magnifications, pixel_mm = plane_magnification(self.scene.center_world, self.camera), self.pixel_mm
            views = len(magnifications)
            found = each(found, lambda image: blurred(image, spot, magnifications, pixel_mm, views))
        return self._collimated(found)

    def _layers(self, area_densities: Tensor, camera: Camera) -> Tensor:
        return layers(area_densities, camera, self.technique.source, self.materials)

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

    # -- scatter -----------------------------------------------------------------------------------------------------

    @cached_property
    def scattered(self) -> QuantumSignal | None:
        """Signal of the scattered photons in each pixel, before grid and blur; None without a scatter model."""
        technique, camera, areas = self.technique, self.camera, self.area_densities
        if technique.scatter_model is None:
            return None
        open_field = areas.new_ones(*camera.batch_shape, camera.height, camera.width) * self._fluence(areas)
        seen = ScatterInput(
            scene=self.scene,
            area_densities=areas,
            materials=self.materials,
            camera=camera,
            source=technique.source,
            fluence=self._collimated(open_field),
        )
        found = technique.scatter_model.estimate(seen)
        _check_scattered(found, camera)
        return scatter_signal(found, technique.detector, camera)

    # -- the detector ------------------------------------------------------------------------------------------------

    @cached_property
    def primary_signal(self) -> Tensor:
        """Mean signal of the unscattered photons behind the grid, before blur and readout [*batch, H, W]."""
        return behind_grid(self.absorbed, self.technique.detector).mean

    @cached_property
    def scatter_signal(self) -> Tensor:
        """Mean signal of the scattered photons behind the grid, before blur and readout [*batch, H, W]."""
        if self.scattered is None:
            return torch.zeros_like(self.primary_signal)
        grid = self.technique.detector.grid
        return self.scattered.mean if grid is None else self.scattered.mean * grid.scatter

    @cached_property
    def scatter_to_primary(self) -> Tensor:
        """Ratio of the two signals behind the grid, before blur [*batch, H, W]; infinite where no primary photon is."""
        primary, scatter = self.primary_signal, self.scatter_signal
        ratio = scatter / torch.where(primary > 0, primary, 1.0)
        return torch.where(primary > 0, ratio, torch.where(scatter > 0, torch.inf, 0.0))

    @cached_property
    def open_field(self) -> Tensor:
        """Mean signal with nothing in the beam [*batch, H, W], in the detector's unit; 1 without an exposure."""
        if self.technique.exposure is None:
            camera = self.camera
            windows = self.technique.detector.response(self.technique.spectrum.energies_kev[:1]).mean.shape[:-1]
            shape = (*camera.batch_shape, *windows, camera.height, camera.width)
            return torch.ones(shape, dtype=torch.float64, device=self.device)
        return self._signal_of(self._collimated(self._open_beam(self._nothing)))

    @cached_property
    def open_primary(self) -> Tensor:
        """What `primary_signal` is with nothing in the beam [*batch, H, W]."""
        return behind_grid(self._collimated(self._open_beam(self._nothing)), self.technique.detector).mean

    @property
    def _nothing(self) -> Tensor:
        """Area densities [M, 1, 1] of an empty beam."""
        return torch.zeros(len(self.materials), 1, 1, dtype=torch.float64, device=self.device)

    def _open_beam(self, nothing: Tensor) -> QuantumSignal:
        """What an empty beam leaves in each pixel; no shutters cover it."""
        camera = self.camera
        found = self._absorb(self._layers(nothing, camera), fluence=self._fluence(nothing))
        return each(found, lambda image: image.expand(*image.shape[:-2], camera.height, camera.width))

    def _signal_of(self, absorbed: QuantumSignal, scatter: QuantumSignal | None = None) -> Tensor:
        return expected_signal(absorbed, self.detector, scatter=scatter, pixel_mm=self._blur_pixel_mm)

    @cached_property
    def expected_image(self) -> Tensor:
        """Mean of the raw signal [*batch, H, W], in the detector's unit; without exposure relative to the open beam."""
        mean = self._signal_of(self.absorbed, self.scattered)
        if self.technique.exposure is not None:
            return mean
        return mean / self._signal_of(self._open_beam(self.area_densities.new_zeros(len(self.materials), 1, 1)))

    @cached_property
    def image(self) -> Tensor:
        """Raw signal with noise [*batch, H, W], in the detector's unit."""
        technique = self.technique
        if technique.exposure is None:
            if technique.detector.draws:
                raise ValueError("exposure must be given for an image with noise, got None; expected_image needs none")
            return self.expected_image
        return detect(
            self.absorbed,
            self.detector,
            scatter=self.scattered,
            pixel_mm=self._blur_pixel_mm,
            generator=self.generator,
        )

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance between rows and between columns on the detector, mm."""
        return pixel_size_mm(self.camera)

    @property
    def _blur_pixel_mm(self) -> tuple[float, float] | None:
        """The pixel size, mm; None if views differ in it and the detector does not blur."""
        try:
            return self.pixel_mm
        except ValueError:
            if getattr(self.technique.detector, "blur", None) is not None:
                raise
            return None

    # -- labels ------------------------------------------------------------------------------------------------------

    @cached_property
    def label_path_lengths(self) -> Tensor:
        """[*batch, L, H, W], mm."""
        backend = self.technique.backend
        return self._by_label(
            self._labeled.label_fields(self.labels), partial(project, interpolation="nearest", backend=backend)
        )

    @cached_property
    def label_line_integrals(self) -> Tensor:
        """∫ µ dℓ in each label at the beam's mean energy [*batch, L, H, W], dimensionless."""
        technique = self.technique
        fields = self._labeled.label_attenuation_fields(mean_energy(technique.spectrum), self.labels)
        cast = partial(project, integration=technique.integration, backend=technique.backend)
        return self._by_label(fields, cast)

    @property
    def _labeled(self) -> Scene:
        if not isinstance(self.scene, Scene):
            raise TypeError(f"results of labels need a Scene, got {type(self.scene).__name__}")
        return self.scene

    def _by_label(self, fields: Iterator[Field], cast: Callable[[Field, Camera], Tensor]) -> Tensor:
        view = self.camera.to(self.scene.device)
        return torch.cat([cast(field, view)[..., 1:, :, :] for field in fields], dim=-3)

    # -- tools -------------------------------------------------------------------------------------------------------

    @cached_property
    def tools(self) -> ToolResults:
        """What each tool covers, and where it is in the picture.

        Raises:
            TypeError, ValueError: if the scene has no tools.
        """
        if not isinstance(self.scene, Scene):
            raise TypeError(f"results of tools need a Scene, got {type(self.scene).__name__}")
        if not self.scene.solids:
            raise ValueError("the scene has no tools: Projector([volume, tool]) has one")
        return ToolResults(self.scene, self.camera, self.technique)

    @cached_property
    def displaced_area_densities(self) -> Tensor:
        """[*batch, M, H, W], g/cm²; none without tools."""
        if isinstance(self.scene, Scene) and self.scene.solids:
            return self.tools.displaced
        return torch.zeros_like(self.area_densities)
