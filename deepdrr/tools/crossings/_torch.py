"""Crossings in torch, float64, every ray with every face: the reference for the compiled kernels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr.geometry import transform_directions, transform_points
from deepdrr.tools._mesh import Mesh
from deepdrr.tools.crossings._lines import Lines

__all__ = ["crossings_by_torch"]

_PAIRS_AT_ONCE = 1 << 20


def crossings_by_torch(
    meshes: Sequence[Mesh], mesh_from_world: Tensor, lines: Lines, windows: Tensor
) -> tuple[Tensor, ...]:
    """Number of the ray, the mesh and the face, change of the winding number and t, of N crossings [N] each.

    The arguments are those of `crossings_by_cpu`; so is the rule for a ray through an edge, see
    `kernels/include/deepdrr/triangles.h`.
    """
    found = []
    for n, (mesh, matrix) in enumerate(zip(meshes, mesh_from_world, strict=True)):
        corners = mesh.corners.detach()
        for chunk in _rays(windows[:, n], lines).split(max(1, _PAIRS_AT_ONCE // len(corners))):
            source, target = (end.detach().cpu() for end in lines.ends(chunk.to(lines.source[0].device)))
            source, way = transform_points(matrix, source), transform_directions(matrix, target - source)
            ray, face, winding, t = _crossed(corners, source, way)
            found.append((chunk[ray], torch.full_like(ray, n), face, winding, t))
    ray, solid, face, winding, t = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = torch.argsort(-winding, stable=True)
    for key in (t, solid, ray):
        order = order[torch.argsort(key[order], stable=True)]
    return ray[order], solid[order].int(), face[order].int(), winding[order].to(torch.int8), t[order]


def _rays(window: Tensor, lines: Lines) -> Tensor:
    """Numbers of the rays of the windows [B, 4], in order."""
    _, height, width = lines.count
    numbers = []
    for view, (top, bottom, left, right) in enumerate(window.tolist()):
        rows, columns = torch.arange(top, bottom), torch.arange(left, right)
        numbers.append(((view * height + rows[:, None]) * width + columns).reshape(-1))
    return torch.cat(numbers)


def _crossed(corners: Tensor, source: Tensor, way: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ray, face, winding [N] and t [N] of the faces [F, 3, 3] that rays [R, 3] cross."""
    length = way.norm(dim=-1, keepdim=True)
    across, down = _perpendicular(way / length.clamp(min=torch.finfo(torch.float64).tiny))
    from_source = corners - source[:, None, None]  # [R, F, 3, 3]
    x, y, z = ((from_source * axis[:, None, None]).sum(dim=-1) for axis in (across, down, way))  # [R, F, 3]
    sides = torch.stack(
        [_side(x[..., c], y[..., c], x[..., n], y[..., n]) for c, n in ((0, 1), (1, 2), (2, 0))], dim=-1
    )
    same = sides.abs().sum(dim=-1).eq(3) & sides.sum(dim=-1).abs().eq(3) & (length > 0)
    ray, face = same.nonzero(as_tuple=True)
    x, y, z = x[same], y[same], z[same]
    winding = -sides[same][:, 0]
    weights = torch.stack([x[:, c] * y[:, n] - y[:, c] * x[:, n] for c, n in ((1, 2), (2, 0), (0, 1))], dim=-1)
    weights = (-winding[:, None] * weights).clamp(min=0.0)
    total = weights.sum(dim=-1)
    depth = torch.where(total > 0, (weights * z).sum(dim=-1) / total, z.mean(dim=-1))
    return ray, face, winding, depth / length[ray, 0] ** 2


def _perpendicular(direction: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors that are right-handed with the direction [R, 3]."""
    x, y, z = direction.unbind(dim=-1)
    s = torch.where(z < 0, -1.0, 1.0)
    a = -1.0 / (s + z)
    b = x * y * a
    return torch.stack([1 + s * x * x * a, s * b, -s * x], dim=-1), torch.stack([b, s + y * y * a, -y], dim=-1)


def _side(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    """On which side of the edge from a to b the origin is, moved by (e, e²)."""
    edge = torch.sign(ax * by - ay * bx)
    tie = torch.where(ay == by, torch.sign(bx - ax), torch.sign(ay - by))
    return torch.where(edge == 0, tie, edge).long()
