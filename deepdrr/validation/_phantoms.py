"""Bodies of water whose line integrals are known in closed form, on straight and oblique grids."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from deepdrr import geo
from deepdrr.camera import Camera
from deepdrr.data import Volume
from deepdrr.device import MobileCArm
from deepdrr.materials import attenuation_matrix, decompose

__all__ = ["OBLIQUE", "POSES_DEG", "Body", "Shape", "camera_at", "centered", "water_volume"]

Shape = Literal["slab", "sphere", "cylinder"]

POSES_DEG = ((0.0, 0.0, 0.0), (30.0, 10.0, 0.0), (-45.0, -25.0, 15.0), (90.0, 0.0, 0.0))
# Left-handed and anisotropic: rotated about an odd axis, voxels of 1.0 × 1.2 × 1.5 mm, the first axis to the left.
OBLIQUE = geo.rigid(geo.rotation((1, 2, 3), 25), (0, 0, 0)) @ torch.diag(torch.tensor([-1.0, 1.2, 1.5, 1.0]).double())

_AIR = -1000.0
_GRIDS: dict[Shape, tuple[int, int, int]] = {"slab": (60, 50, 40), "sphere": (110, 94, 94), "cylinder": (110, 94, 94)}
_ACROSS: dict[Shape, tuple[int, int, int]] = {"slab": (1, 1, 1), "sphere": (1, 1, 1), "cylinder": (1, 1, 0)}
_RADIUS_MM, _RAMP_MM = 42.0, 4.0


def camera_at(pose_deg: tuple[float, float, float], pixels: int) -> Camera:
    """A C-arm's camera about the isocenter, with pixels made larger."""
    alpha, beta, gamma = pose_deg
    return MobileCArm(alpha=alpha, beta=beta, gamma=gamma).camera.resized(pixels, pixels)


def centered(affine: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same grid with the middle of its box at the origin."""
    middle = geo.transform_points(affine, (torch.tensor(shape).double() - 1) / 2)
    return geo.translation(-middle) @ affine


def water_volume(hu: Tensor, affine: Tensor) -> Volume:
    """A volume of numbers that no scanner would give."""
    return Volume.from_array(hu.float().numpy(), affine, check_hu="off")


@dataclass(frozen=True)
class Body:
    """A slab, sphere or cylinder (axis along the patient) of 0 HU on a grid, and the integral along any ray.

    Attributes:
        shape: which; the slab fills its grid and is turned by 20°.
        affine: [4, 4] of the grid, before it is centered.
    """

    shape: Shape
    affine: Tensor

    @cached_property
    def volume(self) -> Volume:
        """The voxels. Round bodies have an edge 4 mm wide, so that voxels of 1.5 mm hold it."""
        size = _GRIDS[self.shape]
        placed = centered(self.affine, size)
        if self.shape == "slab":
            volume = water_volume(torch.zeros(size), placed)
            volume.rotate((1, 0, 1), 20.0)
            return volume
        index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij"), -1).double()
        points = geo.transform_points(placed, index.reshape(-1, 3))
        distance = (points * torch.tensor(_ACROSS[self.shape])).norm(dim=-1).reshape(size)
        part = ((_RADIUS_MM - distance) / _RAMP_MM + 0.5).clamp(0, 1)
        return water_volume(part * 1000 + _AIR, placed)

    def expected(self, camera: Camera, energy_kev: float) -> tuple[Tensor, Tensor]:
        """The line integrals in closed form, and which rays they hold for, [H, W] each.

        Rays of round bodies pass the middle at less than a third of the radius r: there a ramp of width w shortens
        half a chord by w² b² / 24 (r² − b²)^1.5, 0.005 % of it.
        """
        mu_mm = _water_mu(energy_kev) / 10
        if self.shape == "slab":
            chords = _box_chords(self.volume, camera)
            return mu_mm * chords, chords > 0
        axis = 1.0 - torch.tensor(_ACROSS[self.shape]).double()
        offset, sine = _offset_and_sine(camera, axis)
        middle = _offset_and_sine(camera, 0 * axis)[0] < _RADIUS_MM / 3
        return mu_mm * 2 * (_RADIUS_MM**2 - offset**2).clamp(min=0).sqrt() / sine, middle


def _water_mu(energy_kev: float) -> float:
    """µ of what 0 HU is made of, 1/cm."""
    found = decompose(torch.zeros(1))
    mu = attenuation_matrix(found.materials, torch.tensor([energy_kev], dtype=torch.float64))
    return float((found.values.double() * mu).sum())


def _offset_and_sine(camera: Camera, axis: Tensor) -> tuple[Tensor, Tensor]:
    """Distance in mm of every ray from the axis through the origin, and the sine of its angle to it.

    A zero axis is the origin alone, where the sine is 1.
    """
    source, target = camera.pixel_rays()
    along = torch.nn.functional.normalize(target - source, dim=-1)
    source = source - (source @ axis)[..., None] * axis
    across = along - (along @ axis)[..., None] * axis
    sine = across.norm(dim=-1)
    return torch.linalg.cross(source, across).norm(dim=-1) / sine, sine


def _box_chords(volume: Volume, camera: Camera) -> Tensor:
    """Length in mm of every ray inside the box of the voxels, by the slab method in float64."""
    source, target = camera.pixel_rays()
    start = geo.transform_points(volume.ijk_from_world, source.reshape(-1, 3))
    step = geo.transform_directions(volume.ijk_from_world, (target - source).reshape(-1, 3))
    high = torch.tensor(volume.shape).double() - 0.5
    a, b = (-0.5 - start) / step, (high - start) / step
    near, far = torch.minimum(a, b).amax(-1), torch.maximum(a, b).amin(-1)
    length = (target - source).reshape(-1, 3).norm(dim=-1)
    chords: Tensor = ((far - near).clamp(min=0) * length).reshape(camera.height, camera.width)
    return chords
