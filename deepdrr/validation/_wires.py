"""The shadow of a slanted wire, which pixels must show evenly along it."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.detector import Blur, FlatPanel
from deepdrr.materials import Material, material
from deepdrr.projector import Technique, expose
from deepdrr.raycast import Integration, Rays
from deepdrr.spectrum import XRaySource, monochromatic

__all__ = ["Wire", "wire_mtf", "wire_variation"]

_SIZE, _SDD_MM, _SID_MM = 96, 1020.0, 530.0


@dataclass(frozen=True, kw_only=True)
class Wire:
    """An endless cylinder through the world's origin, in the plane of x and z: an object for `expose`.

    Attributes:
        radius_mm: its radius, mm.
        angle_deg: to the z axis, degrees.
        made_of: its material.
    """

    radius_mm: float
    angle_deg: float = 3.0
    made_of: Material = field(default_factory=lambda: material("stainless steel"))

    @property
    def device(self) -> torch.device:
        """That of the area densities."""
        return torch.device("cpu")

    @property
    def center_world(self) -> Tensor:
        """[3], mm."""
        return torch.zeros(3, dtype=torch.float64)

    @property
    def materials(self) -> tuple[Material, ...]:
        """The only one."""
        return (self.made_of,)

    def area_densities(self, view: Camera | Rays, *, integration: Integration, backend: str) -> Tensor:
        """[*batch, 1, H, W], g/cm², by geometry: the chord at the distance of ray and axis."""
        source, target = view.pixel_rays() if isinstance(view, Camera) else (view.source, view.target)
        way = (target - source).double()
        ray = way / way.norm(dim=-1, keepdim=True)
        angle = math.radians(self.angle_deg)
        axis = ray.new_tensor([math.sin(angle), 0.0, math.cos(angle)])
        across = torch.linalg.cross(ray, axis.expand_as(ray))
        distance = (source.double() * across).sum(dim=-1) / across.norm(dim=-1)
        chord_mm = 2 * (self.radius_mm**2 - distance**2).clamp(min=0).sqrt() / across.norm(dim=-1)
        areas: Tensor = (0.1 * self.made_of.density_g_cm3 * chord_mm)[..., None, :, :]
        return areas


def wire_variation(wire: Wire, pixel_mm: float, rays_per_pixel: int) -> float:
    """How unevenly a wire takes signal from the rows of a picture: largest minus smallest, over the mean.

    Args:
        wire: the wire, 530 mm from the source.
        pixel_mm: side of a pixel of a flat panel, 1020 mm from it.
        rays_per_pixel: see `Technique`.
    """
    shadow = _shadow(wire, pixel_mm, rays_per_pixel, Blur(glare=None)).sum(dim=1)[8:-8]  # beside the blur's border
    return float((shadow.max() - shadow.min()) / shadow.mean())


def wire_mtf(pixel_mm: float, rays_per_pixel: int) -> tuple[Tensor, Tensor]:
    """The transfer of a panel that has an aperture and no other blur, from the shadow of a hair of a wire.

    The places of a slanted wire in its pixels sample the line spread finely, so the transfer is seen beyond Nyquist.

    Args:
        pixel_mm: side of a pixel, mm.
        rays_per_pixel: see `Technique`.

    Returns:
        Frequencies in 1/mm and MTF, [F] each. The transfers of the wire's own shadow and of the bins are divided out.
    """
    hair = Wire(radius_mm=0.1 * pixel_mm, made_of=material("aluminium"))  # which takes a hundredth: linear
    shadow = _shadow(hair, pixel_mm, rays_per_pixel, Blur(light_spread_mm=0.0, glare=None))
    center = torch.arange(_SIZE, dtype=torch.float64) - (_SIZE - 1) / 2
    angle = math.radians(hair.angle_deg)
    distance = center[None, :] * math.cos(angle) - center[:, None] * math.sin(angle)  # in pixels
    bins, reach = 4, 16
    index = torch.floor(distance * bins).long() + reach * bins
    inside = (index >= 0) & (index < 2 * reach * bins)
    count = torch.bincount(index[inside], minlength=2 * reach * bins)
    spread = torch.bincount(index[inside], weights=shadow[inside], minlength=2 * reach * bins) / count
    frequency = torch.fft.rfftfreq(len(spread), pixel_mm / bins, dtype=torch.float64)
    extent = 2 * math.pi * frequency.clamp(min=1e-9) * hair.radius_mm * _SDD_MM / _SID_MM
    own = 2 * torch.special.bessel_j1(extent) / extent * torch.sinc(frequency * pixel_mm / bins)
    return frequency, torch.fft.rfft(spread).abs() / spread.sum() / own


def _shadow(wire: Wire, pixel_mm: float, rays_per_pixel: int, blur: Blur) -> Tensor:
    """What a wire takes of the open beam in each pixel [96, 96], float64."""
    camera = Camera.carm(sdd_mm=_SDD_MM, sid_mm=_SID_MM, height=_SIZE, width=_SIZE, pixel_mm=pixel_mm)
    technique = Technique(
        source=XRaySource(spectrum=monochromatic(60.0)),
        exposure=None,
        detector=FlatPanel(blur=blur),
        rays_per_pixel=rays_per_pixel,
    )
    return 1 - expose(wire, camera, technique, ("expected_image",))["expected_image"].double()
