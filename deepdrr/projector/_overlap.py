"""Overlapping volumes: the matter of one displaces that of another."""

import torch
from torch import Tensor

from deepdrr.geometry import transform_points
from deepdrr.raycast import Field

__all__ = ["displaced"]

# Between air (0.0012 g/cm³) on one side and lung (0.2 g/cm³ and more) on the other.
_MATTER_G_CM3 = 0.1


@torch.no_grad()
def _taken(shape: tuple[int, int, int], world_from_ijk: Tensor, other: Field) -> Tensor:
    """Voxels of a grid whose centres lie in a voxel of another field that contains matter, bool [I, J, K]."""
    assert other.values is not None  # densities are values
    matter = other.values.sum(dim=0) > _MATTER_G_CM3
    other_from_ijk = other.ijk_from_world.to(world_from_ijk) @ world_from_ijk
    size = torch.tensor(other.shape, device=matter.device)
    taken = torch.zeros(shape, dtype=torch.bool, device=matter.device)
    j, k = (torch.arange(n, dtype=world_from_ijk.dtype, device=matter.device) for n in shape[1:])
    for i in range(shape[0]):  # slice by slice, to avoid the coordinates of the whole grid at once
        points = torch.stack(torch.meshgrid(torch.full_like(j[:1], i), j, k, indexing="ij"), dim=-1)[0]
        voxels = torch.round(transform_points(other_from_ijk, points.reshape(-1, 3))).long()
        inside = ((voxels >= 0) & (voxels < size)).all(dim=-1)
        if bool(inside.any()):
            hit = torch.zeros_like(inside)
            hit[inside] = matter[voxels[inside].unbind(-1)]
            taken[i] = hit.reshape(shape[1:])
    return taken


def displaced(field: Field, *others: Field) -> Field:
    """The densities of a field without the voxels displaced by the matter of others.

    Args:
        field: densities [M, I, J, K], g/cm³.
        others: densities of the displacing volumes, each on its own grid. No gradient flows to their placement.

    Returns:
        The field, with zeros where the centre of a voxel lies in a voxel of another field with more than 0.1 g/cm³.

    Example:
        >>> grid = torch.eye(4, dtype=torch.float64)
        >>> body, screw = Field(torch.ones(1, 3, 1, 1), grid), Field(4.5 * torch.ones(1, 1, 1, 1), grid)
        >>> displaced(body, screw).values.flatten()
        tensor([0., 1., 1.])
    """
    assert field.values is not None  # densities are values
    world_from_ijk = torch.linalg.inv(field.ijk_from_world.detach())
    taken = torch.zeros(field.shape, dtype=torch.bool, device=field.device)
    for other in others:
        taken |= _taken(field.shape, world_from_ijk, other)
    return Field(field.values.masked_fill(taken, 0.0), field.ijk_from_world)
