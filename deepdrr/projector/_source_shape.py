"""The effect of heel, focal spot and shutters on a stage of the beam.

A stage is any function of the area densities in front of a pixel that is linear in the photons: the moments of the
beam, its kerma, the signal that a detector absorbs. The heel adds layers of tungsten before the stage, the air path
one of air; the focal spot blurs its result, or averages it over points of the spot; the shutters multiply the result.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import TypeVar

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.detector import QuantumSignal, incidence_cosine
from deepdrr.materials import Material, material
from deepdrr.spectrum import (
    HEEL_MATERIALS,
    FocalSpot,
    PrimaryBeam,
    XRaySource,
    focal_spot_blur,
    heel_layers,
    sampled_sources,
)

__all__ = [
    "blurred",
    "each",
    "layer_materials",
    "layers",
    "parts_of_pixels",
    "plane_magnification",
    "plus",
    "point_sources",
]

Signal = TypeVar("Signal", Tensor, PrimaryBeam, QuantumSignal)


def each(signal: Signal, change: Callable[[Tensor], Tensor]) -> Signal:
    """Apply a change to every image of a signal."""
    if isinstance(signal, PrimaryBeam | QuantumSignal):
        return type(signal)(*(change(getattr(signal, field.name)) for field in fields(signal)))
    return change(signal)


def layer_materials(materials: tuple[Material, ...], source: XRaySource) -> tuple[Material, ...]:
    """The materials of `layers`."""
    heel = () if source.heel is None else HEEL_MATERIALS
    air = (material("air"),) if source.air_path else ()
    return (*materials, *heel, *air)


def layers(area_densities: Tensor, camera: Camera, source: XRaySource, materials: Sequence[Material]) -> Tensor:
    """Area densities [..., M, H, W] with more materials for the heel and for the air."""
    sheets = []
    if source.heel is not None:
        beam = source.spectrum
        assert beam.kvp is not None  # XRaySource has refused it
        volts = beam.kvp if beam.voltage is None else beam.voltage
        sheets.append(heel_layers(camera, volts, source.heel).to(area_densities))
    if source.air_path:
        sheets.append(_air(area_densities, camera, materials))
    if not sheets:
        return area_densities
    batch = torch.broadcast_shapes(*(layer.shape[:-3] for layer in (area_densities, *sheets)))
    size = sheets[0].shape[-2:]
    return torch.cat([layer.expand(*batch, -1, *size) for layer in (area_densities, *sheets)], dim=-3)


def _air(area_densities: Tensor, camera: Camera, materials: Sequence[Material]) -> Tensor:
    """g/cm² of air [..., 1, H, W] from source to detector, without the volume that the patient's matter takes up."""
    if camera.orthographic:
        raise ValueError("camera must be perspective for an air path: parallel rays come from no point")
    way_cm = camera.sdd_mm.double()[..., None, None] / (10.0 * incidence_cosine(camera))
    per_density = area_densities.new_tensor([1.0 / material.density_g_cm3 for material in materials])
    displaced_cm = torch.einsum("...mhw,m->...hw", area_densities, per_density)
    return (material("air").density_g_cm3 * (way_cm.to(area_densities) - displaced_cm))[..., None, :, :]


def point_sources(camera: Camera, spot: FocalSpot) -> Iterator[Camera]:
    """The camera seen from each point of a sampled focal spot."""
    views = sampled_sources(camera, spot)
    return (views[index] for index in range(views.batch_shape[0]))


def parts_of_pixels(camera: Camera, count: int) -> Iterator[Camera]:
    """The camera with its rays at other places of the pixels: n × n of them, whose mean is that over the area.

    There is one in each of n × n equal parts, and no two of them in one row or column: an edge along either, where the
    mean is hardest to find, meets n² different places.
    """
    if count == 1:
        yield camera
        return
    for i, j in product(range(count), repeat=2):
        right = (i + (j + 0.5) / count) / count - 0.5
        down = (j + (count - i - 0.5) / count) / count - 0.5
        shift = torch.zeros(3, 3, dtype=camera.intrinsics.dtype, device=camera.intrinsics.device)
        shift[0, 2], shift[1, 2] = right, down
        yield replace(camera, intrinsics=camera.intrinsics - shift)


def plus(one: Signal, other: Signal) -> Signal:
    """The sum of two signals, image by image."""
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
