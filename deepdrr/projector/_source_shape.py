"""The effect of heel, focal spot and shutters on a stage of the beam.

A stage is any function of the area densities in front of a pixel that is linear in the photons: the moments of the
beam, its kerma, the signal that a detector absorbs. The heel adds a layer of tungsten before the stage; the focal spot
blurs its result, or averages it over points of the spot; the shutters multiply the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TypeVar

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.detector import QuantumSignal
from deepdrr.materials import Material, material
from deepdrr.spectrum import (
    FocalSpot,
    PrimaryBeam,
    XRaySource,
    focal_spot_blur,
    heel_area_density,
    sampled_sources,
)

__all__ = ["blurred", "each", "layer_materials", "layers", "mean_over_spot", "plane_magnification"]

Signal = TypeVar("Signal", Tensor, PrimaryBeam, QuantumSignal)


def each(signal: Signal, change: Callable[[Tensor], Tensor]) -> Signal:
    """Apply a change to every image of a signal."""
    if isinstance(signal, PrimaryBeam | QuantumSignal):
        return type(signal)(*(change(getattr(signal, field.name)) for field in fields(signal)))
    return change(signal)


def layer_materials(materials: tuple[Material, ...], source: XRaySource) -> tuple[Material, ...]:
    """The materials of `layers`."""
    return materials if source.heel is None else (*materials, material("tungsten"))


def layers(area_densities: Tensor, camera: Camera, source: XRaySource) -> Tensor:
    """Area densities [..., M, H, W], with the tungsten of the heel as one more material if there is a heel."""
    if source.heel is None:
        return area_densities
    beam = source.spectrum
    assert beam.kvp is not None  # XRaySource has refused it
    volts = beam.kvp if beam.voltage is None else beam.voltage
    sheet = heel_area_density(camera, volts, source.heel)[..., None, :, :].to(area_densities)
    patient = area_densities.expand(*sheet.shape[:-3], -1, *sheet.shape[-2:])
    return torch.cat([patient, sheet.expand(*patient.shape[:-3], -1, -1, -1)], dim=-3)


def mean_over_spot(camera: Camera, spot: FocalSpot, stage: Callable[[Camera], Signal]) -> Signal:
    """Mean of a stage over the points of a sampled focal spot, with one projection per point."""
    views = sampled_sources(camera, spot)
    count = views.batch_shape[0]
    total = stage(views[0])
    for index in range(1, count):
        total = _plus(total, stage(views[index]))
    return each(total, lambda image: image / count)


def _plus(one: Signal, other: Signal) -> Signal:
    if isinstance(one, PrimaryBeam | QuantumSignal):
        return type(one)(*(getattr(one, field.name) + getattr(other, field.name) for field in fields(one)))
    return one + other


def blurred(
    image: Tensor, spot: FocalSpot, magnifications: Sequence[float], pixel_mm: tuple[float, float], views: int
) -> Tensor:
    """Blur an image [*batch, ..., H, W] with the magnification of each of its `views`."""
    flat = image.reshape(views, -1, *image.shape[-2:])
    parts = [
        focal_spot_blur(part, spot, magnification=m, pixel_mm=pixel_mm)
        for part, m in zip(flat, magnifications, strict=True)
    ]
    return torch.stack(parts).reshape(image.shape)


def plane_magnification(center_world: Tensor, camera: Camera) -> list[float]:
    """Magnification of the plane through a point [3], mm, for each view; 1 for parallel rays."""
    views = max(camera.batch_shape.numel(), 1)
    if camera.orthographic:
        return [1.0] * views
    toward = center_world.to(camera.camera_from_world.device) - camera.source_world.detach().double()
    depth = (toward * camera.principal_axis_world.detach().double()).sum(dim=-1)
    found = camera.sdd_mm.detach().double() / depth
    return found.clamp(min=1.0).expand(camera.batch_shape).reshape(-1).tolist()
