"""How many photons the open beam brings to each pixel."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Real

import torch
from torch import Tensor

from deepdrr._numbers import plain_fields
from deepdrr.camera import Camera, ray_slopes
from deepdrr.spectrum import Spectrum, XRaySource, air_kerma_ugy

__all__ = ["Exposure", "equivalent_mas", "fluence_scale", "incidence_cosine", "obliquity_factor"]


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The exposure of one frame, stated in exactly one way.

    The first two are those of the open beam (all filters, and the source's air path, if it has one; no patient) at
    the foot of the perpendicular from the source to the detector; elsewhere on the detector photons per pixel fall off
    as `obliquity_factor`, cos³θ, and air kerma as cos²θ.

    Attributes:
        photons_per_pixel: mean number of photons that reach the pixel.
        air_kerma_ngy: air kerma at the detector, nGy. Mind that a dose quoted for a detector (10 to 50 nGy for a frame
            of fluoroscopy, 2500 nGy for a radiograph) is meant behind the patient, whose trunk lets through less than
            a hundredth of the open beam.
        mas: tube load, mAs; the inverse-square law takes it to the detector.

    Example:
        >>> Exposure(air_kerma_ngy=50.0).air_kerma_ngy
        50.0
    """

    photons_per_pixel: float | None = None
    air_kerma_ngy: float | None = None
    mas: float | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        if len(given) != 1:
            raise ValueError(f"exposure must be exactly one of photons_per_pixel, air_kerma_ngy and mas, got {given}")
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"{name} must be a number, got {value!r}")
            if not math.isfinite(value) or value <= 0.0:
                raise ValueError(f"{name} must be a positive finite number, got {value}")


def fluence_scale(exposure: Exposure, spectrum: Spectrum | XRaySource, camera: Camera) -> Tensor:
    """Factor from the spectrum's photons (per mm² and mAs at 1 m) to photons per pixel in the open field.

    A pixel of area A whose ray leaves the detector's normal by θ sees, for a tube load Q and a distance d of the
    plane, Q A (1 m / d)² cos³θ: inverse square to the pixel (cos²θ) and the tilt of the pixel to its ray (cos θ).
    The other two ways of stating an exposure fix the factor on the normal instead.

    Args:
        exposure: the exposure of the frame.
        spectrum: the beam in the open field, with all filters; or the source, which may have an air path.
        camera: the geometry [...].

    Returns:
        float64 [..., H, W], mm²·mAs; differentiable in the camera. What an air path takes is not in it.

    Raises:
        ValueError: for `mas` with an orthographic camera.
    """
    return _scale_on_normal(exposure, spectrum, camera)[..., None, None] * obliquity_factor(camera)


def obliquity_factor(camera: Camera) -> Tensor:
    """Open-field signal of each pixel relative to one on the detector's normal: cos³θ; 1 for parallel rays.

    Args:
        camera: the geometry [...].

    Returns:
        float64 [..., H, W], in (0, 1].
    """
    return incidence_cosine(camera) ** 3


def incidence_cosine(camera: Camera) -> Tensor:
    """Cosine of the angle θ between each ray and the detector's normal; 1 for parallel rays.

    Args:
        camera: the geometry [...].

    Returns:
        float64 [..., H, W], in (0, 1].

    Example:
        >>> incidence_cosine(Camera.carm(sdd_mm=1000, sid_mm=500, height=1, width=1, pixel_mm=0.2))
        tensor([[1.]], dtype=torch.float64)
    """
    x, y = ray_slopes(camera)
    cosine = torch.ones_like(x + y) if camera.orthographic else (1.0 + x**2 + y**2) ** -0.5
    return cosine.expand(*camera.batch_shape, -1, -1)


def equivalent_mas(exposure: Exposure, spectrum: Spectrum | XRaySource, camera: Camera) -> Tensor:
    """The tube load that gives this exposure at this distance, for a header or a log.

    Args:
        exposure: the exposure of the frame.
        spectrum: the beam in the open field, with all filters; or the source, which may have an air path.
        camera: the geometry [...]; perspective.

    Returns:
        float64 [...], mAs.

    Raises:
        ValueError: for an orthographic camera.
    """
    return _scale_on_normal(exposure, spectrum, camera) / _scale_per_mas(camera)


def _scale_on_normal(exposure: Exposure, beam: Spectrum | XRaySource, camera: Camera) -> Tensor:
    if exposure.mas is not None:
        return exposure.mas * _scale_per_mas(camera)
    if exposure.photons_per_pixel is not None:
        return exposure.photons_per_pixel / _on_normal(lambda spectrum: spectrum.photons.sum(), beam, camera)
    assert exposure.air_kerma_ngy is not None  # the record holds exactly one of the three
    return exposure.air_kerma_ngy * 1e-3 / _on_normal(air_kerma_ugy, beam, camera) * _pixel_area_mm2(camera)


def _on_normal(quantity: Callable[[Spectrum], Tensor], beam: Spectrum | XRaySource, camera: Camera) -> Tensor:
    """A quantity of the spectrum that arrives on the detector's normal, for each view."""
    if isinstance(beam, XRaySource) and beam.air_path:
        distances = camera.sdd_mm.expand(camera.batch_shape).reshape(-1)
        found = torch.stack([quantity(beam.arriving(distance)) for distance in distances.double()])
        return found.reshape(camera.batch_shape).to(camera.sdd_mm.device)
    spectrum = beam.spectrum if isinstance(beam, XRaySource) else beam
    return quantity(spectrum).to(camera.sdd_mm.device).expand(camera.batch_shape)


def _scale_per_mas(camera: Camera) -> Tensor:
    if camera.orthographic:
        raise ValueError("mas needs a source at a distance; this camera is orthographic, state photons_per_pixel")
    return _pixel_area_mm2(camera) * (1000.0 / camera.sdd_mm.double()) ** 2


def _pixel_area_mm2(camera: Camera) -> Tensor:
    between_rows, between_columns = camera.pixel_spacing_mm
    return (between_rows * between_columns).double()
