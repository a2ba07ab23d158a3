"""Scenes that several raycast tests share."""

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import rigid, rotation
from deepdrr.raycast import Field, Rays


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float], turn_deg: float = 0.0) -> Tensor:
    """ijk_from_world of a grid centred on the origin, turned about an oblique axis."""
    world_from_ijk = torch.eye(4, dtype=torch.float64)
    turn = rotation((1, -2, 0.5), turn_deg)
    world_from_ijk[:3, :3] = turn * torch.tensor(spacing, dtype=torch.float64)
    center = (torch.tensor(shape, dtype=torch.float64) - 1) / 2
    world_from_ijk[:3, 3] = -world_from_ijk[:3, :3] @ center
    return torch.linalg.inv(world_from_ijk)


def carm(
    height: int, width: int, field_of_view_mm: float, angles_deg: tuple[float, float, float] = (20, -35, 10)
) -> Camera:
    """A C-arm whose detector shows a given length at the isocenter; turned off every symmetry."""
    pixel = field_of_view_mm * 1020 / 530 / height
    return Camera.carm(
        sdd_mm=1020,
        sid_mm=530,
        height=height,
        width=width,
        pixel_mm=pixel,
        angles_deg=angles_deg,
        isocenter=(0.3, -0.2, 0.1),
    )


def noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Values with no structure: the hardest case for interpolation."""
    return torch.rand(shape, generator=generator)


def rays(*ends: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Rays:
    """A row [1, N] of rays from pairs of end points."""
    points = torch.tensor(ends, dtype=torch.float64)
    return Rays(points[None, :, 0], points[None, :, 1])


def box_chord(bundle: Rays, world_from_box: Tensor, half_edges: Tensor) -> Tensor:
    """Length of rays inside a box |x_a| ≤ half_edges[a], by Liang and Barsky's clipping in the box's own mm."""
    box_from_world = torch.linalg.inv(world_from_box)
    start = bundle.source @ box_from_world[:3, :3].T + box_from_world[:3, 3]
    path = (bundle.target - bundle.source) @ box_from_world[:3, :3].T
    a, b = (-half_edges - start) / path, (half_edges - start) / path
    near = torch.minimum(a, b).amax(-1).clamp(0, 1)
    far = torch.maximum(a, b).amin(-1).clamp(0, 1)
    return (far - near).clamp(min=0) * path.norm(dim=-1)


def unit_field(values: Tensor) -> Field:
    """A field whose voxel indices are its world millimetres."""
    return Field(values, torch.eye(4, dtype=torch.float64))


def turned_grid_pose(turn_deg: float) -> Tensor:
    """world_from_box for `grid(..., turn_deg)`."""
    return rigid(rotation((1, -2, 0.5), turn_deg), (0, 0, 0))
