"""Refuse poses of tools that hold the source or cut through the detector."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.geometry import transform_points
from deepdrr.tools import Solid, winding_number

__all__ = ["check_tools_clear"]


def check_tools_clear(solids: Sequence[Solid], camera: Camera) -> None:
    """Refuse a camera whose source is inside a tool, or whose detector a tool cuts through.

    Args:
        solids: the tools, placed in the world.
        camera: the geometry [*batch]. The source of an orthographic camera is at infinity and not checked.

    Raises:
        ValueError: if there is one; the message names it, and where it is.
    """
    exact = camera.to(torch.float64).to("cpu")
    for solid in solids:
        vertices_world = transform_points(solid.world_from_tool.detach().to("cpu", torch.float64), solid.mesh.vertices)
        vertices_world = vertices_world.detach()
        where = ", ".join(f"{c:.0f}" for c in vertices_world.mean(dim=0).tolist())
        if not camera.orthographic and _holds_a_source(solid, vertices_world, exact):
            raise ValueError(f"the source must be outside the tools, but it is inside {solid.name!r} at ({where}) mm")
        if _cuts_the_detector(vertices_world, exact):
            raise ValueError(
                f"tools must be on one side of the detector, but {solid.name!r} at ({where}) mm goes through it"
            )


def _holds_a_source(solid: Solid, vertices_world: Tensor, camera: Camera) -> bool:
    low, high = vertices_world.amin(dim=0), vertices_world.amax(dim=0)
    sources = camera.source_world.detach().reshape(-1, 3)
    near = sources[((sources > low) & (sources < high)).all(dim=-1)]
    corners = vertices_world[solid.mesh.faces].numpy()
    return any(winding_number(source.numpy(), corners) > 0.5 for source in near)


def _cuts_the_detector(vertices_world: Tensor, camera: Camera) -> bool:
    """Whether vertices lie on both sides of the detector's plane in any view, and their images reach its area."""
    depth = transform_points(camera.camera_from_world, vertices_world).detach()[..., 2]  # [*batch, V]
    beyond = depth > camera.sdd_mm.detach()[..., None]
    cut = beyond.any(dim=-1) & ~beyond.all(dim=-1)
    if not bool(cut.any()):
        return False
    pixels = camera.project_points(vertices_world).detach()
    size = torch.tensor([camera.width, camera.height])
    beside = ((pixels.amax(dim=-2) <= 0) | (pixels.amin(dim=-2) >= size)).any(dim=-1)
    return bool((cut & ~beside).any())
