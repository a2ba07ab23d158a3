"""From fields of densities to the voxels of one box."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from deepdrr.materials import Material
from deepdrr.montecarlo._body import PhotonBody
from deepdrr.raycast import Field

__all__ = ["body_of"]

Part = tuple[Field, tuple[Material, ...]]

_MATTER_G_CM3 = 0.01  # ten times air: what is beyond the last such voxel is left out


def body_of(parts: Sequence[Part], *, voxel_mm: float) -> PhotonBody:
    """The densities of several fields in one box, cropped to where matter is.

    A single field keeps its grid, averaged over whole voxels; several are averaged over points of the box's voxels.

    Args:
        parts: densities [M, I, J, K] in g/cm³ with their materials; they add up.
        voxel_mm: voxels finer than this are averaged up to about this size, mm.

    Raises:
        ValueError: if there is no matter in them.
    """
    first, materials = parts[0]
    if len(parts) == 1 and _axes_are_perpendicular(first):
        return _cropped(_averaged(_values(first), materials, first.ijk_from_world, voxel_mm))
    return _cropped(_joined(parts, voxel_mm))


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
    times = [max(1, math.floor(voxel_mm / float(edge) + 0.5)) for edge in spacing]
    padding = [n for size, t in zip(reversed(values.shape[1:]), reversed(times), strict=True) for n in (0, -size % t)]
    coarse = F.avg_pool3d(F.pad(values, padding), times)
    box_from_ijk = torch.eye(4, dtype=torch.float64)
    box_from_ijk[:3, :3] = torch.diag(spacing)
    box_from_ijk[:3, 3] = 0.5 * spacing
    i, j, k = (float(edge) * t for edge, t in zip(spacing, times, strict=True))
    return PhotonBody(
        densities=coarse, materials=materials, voxel_mm=(i, j, k), box_from_world=box_from_ijk @ ijk_from_world
    )


def _joined(parts: Sequence[Part], voxel_mm: float) -> PhotonBody:
    """All fields in cubes along the axes of the room."""
    corners = torch.cat([_corners_world(field) for field, _ in parts])
    low, high = corners.amin(dim=0), corners.amax(dim=0)
    shape = [max(1, math.ceil(float(extent) / voxel_mm)) for extent in high - low]
    materials = tuple(dict.fromkeys(material for _, own in parts for material in own))
    densities = torch.zeros(len(materials), *shape)
    for field, own in parts:
        rows = [materials.index(material) for material in own]
        for plane in range(shape[0]):
            densities[rows, plane] += _sampled_plane(field, low, plane, shape, voxel_mm)
    box_from_world = torch.eye(4, dtype=torch.float64)
    box_from_world[:3, 3] = -low
    return PhotonBody(densities=densities, materials=materials, voxel_mm=(voxel_mm,) * 3, box_from_world=box_from_world)


def _corners_world(field: Field) -> Tensor:
    """Corners of a field's support [8, 3], mm."""
    ends = [torch.tensor([-0.5, n - 0.5], dtype=torch.float64) for n in field.shape]
    world_from_ijk = torch.linalg.inv(field.ijk_from_world.detach().double().cpu())
    corners: Tensor = torch.cartesian_prod(*ends)
    moved: Tensor = corners @ world_from_ijk[:3, :3].T + world_from_ijk[:3, 3]
    return moved


def _sampled_plane(field: Field, low: Tensor, plane: int, shape: Sequence[int], voxel_mm: float) -> Tensor:
    """Mean densities [M, J, K] of a field in one plane of the box's voxels, over 3 × 3 × 3 points of each."""
    values, ijk_from_world = _values(field), field.ijk_from_world.detach().double().cpu()
    size = torch.tensor(field.shape)
    total = torch.zeros(len(values), *shape[1:])
    for offset in torch.cartesian_prod(*[torch.tensor([1 / 6, 1 / 2, 5 / 6], dtype=torch.float64)] * 3):
        centers = [torch.arange(n, dtype=torch.float64) for n in (1, *shape[1:])]
        points = (torch.cartesian_prod(*centers) + offset) * voxel_mm + low
        points[:, 0] += plane * voxel_mm
        voxels = torch.floor(points @ ijk_from_world[:3, :3].T + ijk_from_world[:3, 3] + 0.5).long()
        inside = ((voxels >= 0) & (voxels < size)).all(dim=1)
        i, j, k = voxels.clamp(min=0).minimum(size - 1).unbind(dim=1)
        total += (values[:, i, j, k] * inside).reshape(total.shape) / 27
    return total


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
