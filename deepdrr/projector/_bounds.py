"""Where the objects of a scene are."""

from collections.abc import Iterable

import torch
from torch import Tensor

from deepdrr.geometry import transform_points
from deepdrr.raycast import Field
from deepdrr.tools import Solid

__all__ = ["bounds_world"]


def bounds_world(fields: Iterable[Field], solids: Iterable[Solid]) -> Tensor:
    """The box along the room's axes that holds fields and solids [2, 3], mm: least and greatest coordinates."""
    corners = [_corners_of_field(field) for field in fields] + [_corners_of_solid(solid) for solid in solids]
    points = torch.cat(corners)
    return torch.stack([points.amin(dim=0), points.amax(dim=0)])


def _corners_of_field(field: Field) -> Tensor:
    ends = [torch.tensor([-0.5, n - 0.5], dtype=torch.float64) for n in field.shape]
    world_from_ijk = torch.linalg.inv(field.ijk_from_world.detach().cpu().double())
    return transform_points(world_from_ijk, torch.cartesian_prod(*ends))


def _corners_of_solid(solid: Solid) -> Tensor:
    corners = torch.cartesian_prod(*solid.mesh.bounds.detach().cpu().double().unbind(dim=1))
    return transform_points(solid.world_from_tool.detach().cpu().double(), corners)
