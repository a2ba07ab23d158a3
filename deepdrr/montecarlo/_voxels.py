"""From a scene to the voxels of one box."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from deepdrr._memory import check_fits
from deepdrr.geometry import transform_points
from deepdrr.materials import Material
from deepdrr.montecarlo._body import PhotonBody
from deepdrr.raycast import Exact, Field, Integration, Rays
from deepdrr.tools import Solid

__all__ = ["BodyScene", "body_of"]

_MATTER_G_CM3 = 0.01  # ten times air: what is beyond the last such voxel is left out
_RAYS_AT_A_TIME = 1 << 17
_BESIDE_TOOLS_MM = 0.5  # between rays through the cubes about a tool: a wire of 1.5 mm is met by three across it
_EXACT = Exact()


class BodyScene(Protocol):
    """A scene as photon transport sees it; a `deepdrr.projector.Scene` is one."""

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M basis materials."""

    @property
    def solids(self) -> Sequence[Solid]:
        """Its tools."""

    @property
    def device(self) -> torch.device:
        """The device on which rays are cast."""

    @property
    def bounds_world(self) -> Tensor:
        """The box along the room's axes that holds all of it [2, 3], mm."""

    def single_grid(self) -> tuple[Field, tuple[Material, ...]] | None:
        """The densities as one grid, if the scene is one volume and nothing else."""

    def area_densities(self, view: Rays, *, integration: Integration = _EXACT, backend: str = "auto") -> Tensor:
        """Area density of each material along every ray [*batch, M, H, W], g/cm²."""


@torch.no_grad()
def body_of(scene: BodyScene, *, voxel_mm: float) -> PhotonBody:
    """The densities of a scene in one box, cropped to where matter is.

    A single CT keeps its grid, averaged over whole voxels. Anything else, with tools or several volumes, is put into
    cubes along the axes of the room, each with its mean along a ray through its middle; where there may be a tool,
    along rays half a millimetre apart.

    Args:
        scene: what is in the beam.
        voxel_mm: size of the cubes; voxels of a single CT that are finer are averaged up to about this size, mm.

    Raises:
        ValueError: if there is no matter in it.
        MemoryError: if its cubes do not fit into memory.
    """
    single = scene.single_grid()
    if single is not None and _axes_are_perpendicular(single[0]):
        field, materials = single
        return _cropped(_averaged(_values(field), materials, field.ijk_from_world, voxel_mm))
    return _cropped(_sampled(scene, voxel_mm))


def _values(field: Field) -> Tensor:
    assert field.values is not None  # densities are values
    values = field.values.detach().float().cpu()
    return values if field.scale is None else values * field.scale.float().cpu()[:, None, None, None]


def _axes_are_perpendicular(field: Field) -> bool:
    axes = torch.linalg.inv(field.ijk_from_world.detach().double().cpu())[:3, :3]
    directions = axes / axes.norm(dim=0)
    return torch.allclose(directions.T @ directions, torch.eye(3, dtype=torch.float64), atol=1e-6)


def _averaged(values: Tensor, materials: tuple[Material, ...], ijk_from_world: Tensor, voxel_mm: float) -> PhotonBody:
    """The body of one grid; each of its voxels is the mean of whole voxels."""
    ijk_from_world = ijk_from_world.detach().double().cpu()
    spacing = torch.linalg.inv(ijk_from_world)[:3, :3].norm(dim=0)
    sizes = values.shape[1:]
    times = [
        max(1, min(size, math.floor(voxel_mm / float(edge) + 0.5))) for size, edge in zip(sizes, spacing, strict=True)
    ]
    padding = [n for size, t in zip(reversed(sizes), reversed(times), strict=True) for n in (0, -size % t)]
    coarse = F.avg_pool3d(F.pad(values, padding), times)
    box_from_ijk = torch.eye(4, dtype=torch.float64)
    box_from_ijk[:3, :3] = torch.diag(spacing)
    box_from_ijk[:3, 3] = 0.5 * spacing
    i, j, k = (float(edge) * t for edge, t in zip(spacing, times, strict=True))
    return PhotonBody(
        densities=coarse, materials=materials, voxel_mm=(i, j, k), box_from_world=box_from_ijk @ ijk_from_world
    )


def _sampled(scene: BodyScene, voxel_mm: float) -> PhotonBody:
    """All objects in cubes along the axes of the room."""
    low, high = scene.bounds_world.cpu()
    shape = [max(1, math.ceil(float(extent) / voxel_mm)) for extent in high - low]
    check_fits(f"the densities in cubes of {voxel_mm:g} mm", (len(scene.materials), *shape), dtype=torch.float32)
    densities = _means(scene, low, shape, voxel_mm, rays=1)
    for solid in scene.solids:
        corners = torch.cartesian_prod(*solid.mesh.bounds.detach().cpu().double().unbind(dim=1))
        corners = (transform_points(solid.world_from_tool.detach().cpu().double(), corners) - low) / voxel_mm
        first = corners.amin(dim=0).floor().clamp(min=0).long().tolist()
        last = [min(math.ceil(n), size) for n, size in zip(corners.amax(dim=0).tolist(), shape, strict=True)]
        corner, sides = low + voxel_mm * torch.tensor(first), [max(1, b - a) for a, b in zip(first, last, strict=True)]
        i, j, k = (slice(a, a + side) for a, side in zip(first, sides, strict=True))
        finely = _means(scene, corner, sides, voxel_mm, rays=math.ceil(voxel_mm / _BESIDE_TOOLS_MM))
        densities[:, i, j, k] = finely
    box_from_world = torch.eye(4, dtype=torch.float64)
    box_from_world[:3, 3] = -low
    size = (voxel_mm, voxel_mm, voxel_mm)
    return PhotonBody(densities=densities, materials=scene.materials, voxel_mm=size, box_from_world=box_from_world)


def _means(scene: BodyScene, low: Tensor, shape: Sequence[int], voxel_mm: float, *, rays: int) -> Tensor:
    """Mean densities [M, I, J, K] in cubes from a corner on, g/cm³, along rays × rays through each."""
    planes = []
    for view in _through_cubes(low, shape, voxel_mm, rays, scene.device):
        areas = scene.area_densities(view).float().cpu() / (voxel_mm / 10)  # g/cm² along a cube → g/cm³
        planes.append(F.avg_pool2d(areas, rays) if rays > 1 else areas)
    return torch.cat(planes).clamp(min=0.0).movedim(1, 0).contiguous()  # a tool's displacement rounds below 0


def _through_cubes(
    low: Tensor, shape: Sequence[int], voxel_mm: float, rays: int, device: torch.device
) -> Iterator[Rays]:
    """Rays [planes, rays · J, rays · K] through all cubes along the first axis; each counts only within its cube."""
    j, k = (
        low[a + 1] + (torch.arange(n * rays, dtype=torch.float64) + 0.5) * voxel_mm / rays
        for a, n in enumerate(shape[1:])
    )
    y, z = torch.meshgrid(j, k, indexing="ij")
    length = shape[0] * voxel_mm
    source = torch.stack([low[0].expand_as(y), y, z], dim=-1).to(device)
    target = torch.stack([(low[0] + length).expand_as(y), y, z], dim=-1).to(device)
    step = max(1, _RAYS_AT_A_TIME // y.numel())
    for first, last in pairwise([*range(0, shape[0], step), shape[0]]):
        edges = torch.arange(first, last + 1, dtype=torch.float64, device=device) / shape[0]
        yield Rays(source, target, edges[:-1, None, None], edges[1:, None, None])


def _cropped(body: PhotonBody) -> PhotonBody:
    """The box around the body's matter."""
    matter = body.densities.sum(dim=0) > _MATTER_G_CM3
    if not bool(matter.any()):
        raise ValueError(f"the scene must hold a body, got no voxel above {_MATTER_G_CM3} g/cm³")
    lows, highs = [], []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        found = torch.nonzero(matter.amax(dim=others))
        lows.append(int(found[0]))
        highs.append(int(found[-1]) + 1)
    window = tuple(slice(low, high) for low, high in zip(lows, highs, strict=True))
    shift = torch.eye(4, dtype=torch.float64)
    shift[:3, 3] = -torch.tensor(lows, dtype=torch.float64) * torch.tensor(body.voxel_mm, dtype=torch.float64)
    return PhotonBody(
        densities=body.densities[(slice(None), *window)],
        materials=body.materials,
        voxel_mm=body.voxel_mm,
        box_from_world=shift @ body.box_from_world,
    )
