"""`cross`: where the rays of a view cross the surfaces of solids."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from deepdrr._kernels import BUILDS, reason_not_loaded
from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.raycast import Rays, check_backend
from deepdrr.tools._solid import Solid
from deepdrr.tools.crossings._cpu import crossings_by_cpu
from deepdrr.tools.crossings._cuda import crossings_by_cuda, cuda_crosses
from deepdrr.tools.crossings._lines import Lines
from deepdrr.tools.crossings._torch import crossings_by_torch
from deepdrr.tools.crossings._windows import windows

__all__ = ["Crossings", "cross"]

# Cosine of the angle between a ray and a face that it only grazes: how far it moves along the ray then is rounding.
_GRAZING = 1e-9


@dataclass(frozen=True, eq=False)
class Crossings:
    """N crossings of rays with surfaces, in the order of the rays, of each the solids, and of these along the ray.

    They are on the whole line, also before the source and beyond the detector. Along each line, the changes of a
    solid's winding number sum to zero.

    Attributes:
        lines: the rays.
        solids: how many solids there are.
        ray: number of the ray [N], by view, row and column.
        solid: number of the solid [N].
        face: number of the face [N].
        winding: change of the winding number [N]: 1 on the way in, −1 on the way out.
        t: place along the ray [N], 0 at the source and 1 at the target; float64, differentiable.
    """

    lines: Lines
    solids: int
    ray: Tensor
    solid: Tensor
    face: Tensor
    winding: Tensor
    t: Tensor


def cross(solids: Sequence[Solid], view: Camera | Rays, *, backend: str = "auto") -> Crossings:
    """Where the rays of a view cross the surfaces of solids.

    No line crosses a closed surface an odd number of times, those through edges and corners included: the faces crossed
    are those of a line that is displaced by about 1e-6 of the mesh's radius. The places are float64.

    Args:
        solids: the solids.
        view: a camera (all its pixels), or explicit rays.
        backend: as for `deepdrr.raycast.project`; the reference tests every face with every ray.

    Returns:
        The crossings, differentiable with respect to the placement of the solids, their vertices and the rays.
        A face that a ray only grazes has no gradient.

    Raises:
        TypeError: for a view that is neither a camera nor rays.
        ValueError: for an unknown backend.
    """
    check_backend(backend)
    if not isinstance(view, Camera | Rays):
        raise TypeError(f"view must be a Camera or Rays, got {type(view).__name__}")
    device = view.intrinsics.device if isinstance(view, Camera) else view.device
    lines = Lines.of(view, device)
    meshes = [solid.mesh for solid in solids]
    world_from_solid = [solid.world_from_tool.to("cpu", torch.float64) for solid in solids]
    if not solids or 0 in lines.count:
        none = torch.zeros(0, dtype=torch.int64, device=device)
        return Crossings(lines, len(solids), none, none, none, none, none.double())
    places = torch.stack([place.detach() for place in world_from_solid])
    boxes = torch.stack([mesh.bounds for mesh in meshes])
    look_at = windows(view, boxes, places, lines.count[0])
    mesh_from_world = torch.linalg.inv(places)
    found = _engine(backend, device)(meshes, mesh_from_world, lines, look_at)
    crossings = Crossings(lines, len(solids), *(part.to(device) for part in found))
    return _differentiable(crossings, solids, world_from_solid)


def _engine(backend: str, device: torch.device) -> Callable[..., tuple[Tensor, ...]]:
    """What computes crossings: the device's kernels, or torch if there are none, or if it is asked for."""
    if backend == "reference" or reason_not_loaded() is not None:  # the trees of all kernels are built on the host
        return crossings_by_torch
    if backend in ("auto", "cuda") and cuda_crosses(device):
        return crossings_by_cuda
    build = backend.removeprefix("cpu-")
    return partial(crossings_by_cpu, build=build if build in BUILDS else None)


def _differentiable(crossings: Crossings, solids: Sequence[Solid], world_from_solid: Sequence[Tensor]) -> Crossings:
    """The crossings with the gradient of their places."""
    tensors = [*world_from_solid, *(solid.mesh.vertices for solid in solids)]
    moved = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    if not (moved or crossings.lines.requires_grad):
        return crossings
    source, target = crossings.lines.ends(crossings.ray)
    found, places = [], []
    for n, (solid, matrix) in enumerate(zip(solids, world_from_solid, strict=True)):
        of_solid = (crossings.solid == n).nonzero()[:, 0]
        face = crossings.face[of_solid].long().cpu()
        corners = transform_points(matrix, solid.mesh.vertices[solid.mesh.faces[face]]).to(source.device)
        found.append(of_solid)
        places.append(_on_planes(corners, source[of_solid], target[of_solid]))
    by_planes = torch.cat(places)[torch.argsort(torch.cat(found))]
    t = crossings.t + (by_planes - by_planes.detach())
    return Crossings(
        crossings.lines, crossings.solids, crossings.ray, crossings.solid, crossings.face, crossings.winding, t
    )


def _on_planes(corners: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Where rays [N, 3] meet the planes of faces [N, 3, 3]; a constant where they are parallel."""
    a, b, c = corners.unbind(dim=1)
    normal, way = torch.linalg.cross(b - a, c - a), target - source
    toward = (normal * way).sum(dim=-1)
    steep = toward.abs() > _GRAZING * (normal.norm(dim=-1) * way.norm(dim=-1)).detach()
    place = (normal * (a - source)).sum(dim=-1) / torch.where(steep, toward, 1.0)
    return torch.where(steep, place, 0.0)
