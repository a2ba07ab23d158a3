"""Where annotations fall on a detector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from deepdrr.annotations._metal import hidden_by_metal
from deepdrr.camera import Camera
from deepdrr.data import Annotations, Point
from deepdrr.geometry import transform_points
from deepdrr.materials import Material

__all__ = ["Matter", "ProjectedAnnotations", "project_annotations"]


class Matter(Protocol):
    """What weakens rays; a `deepdrr.projector.Scene` is one."""

    @property
    def materials(self) -> tuple[Material, ...]:
        """The M materials."""

    @property
    def device(self) -> torch.device:
        """Where rays are cast."""

    def area_densities(self, view: Any) -> Tensor:
        """[*batch, M, H, W] along rays, g/cm²."""


@dataclass(frozen=True, eq=False)
class ProjectedAnnotations:
    """Annotations on the detector of one camera or a batch.

    Attributes:
        names: the N landmarks, in order, also those without a place.
        pixels: (u, v) of each [*batch, N, 2], pixels, centres at +0.5; NaN for one without a place, or behind the
            source.
        depth_mm: distance from the source along its ray [*batch, N], mm, for parallel rays from the plane of the
            source; NaN as above.
        in_view: whether it lies in front of the detector's area, bool [*batch, N].
        hidden: whether metal hides it, bool [*batch, N]; see `hidden_by_metal`.
        outlines: (u, v) of the points of each path, plane and box by name [*batch, M, 2].
        edges: pairs of these points that are joined, by name.
    """

    names: tuple[str, ...]
    pixels: Tensor
    depth_mm: Tensor
    in_view: Tensor
    hidden: Tensor
    outlines: Mapping[str, Tensor] = field(default_factory=dict)
    edges: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)

    @property
    def visibility(self) -> Tensor:
        """COCO's numbers [*batch, N]: 2 in view, 1 in view and hidden, 0 without a place or out of view."""
        return torch.where(self.in_view, torch.where(self.hidden, 1, 2), 0)


def project_annotations(
    annotations: Annotations,
    camera: Camera,
    *,
    world_from_annotations: Tensor | None = None,
    scene: Matter | None = None,
) -> ProjectedAnnotations:
    """Project annotations with a camera.

    Args:
        annotations: in their own frame, mm: a volume's, `volume.annotations`, in RAS.
        camera: one or a batch [*batch]; it may carry gradients.
        world_from_annotations: rigid transform [*batch, 4, 4], such as `volume.world_from_anatomical`; None if the
            annotations are in the room. It may carry a gradient.
        scene: what may hide landmarks, such as `projector.scene`; None hides none.

    Returns:
        Pixels and depths, differentiable with respect to camera and placement, and what is seen.

    Example:
        >>> notes = Annotations([Point("tip", (0, 0, 0)), Point("far", (500, 0, 0)), Point("later")])
        >>> camera = Camera.carm(sdd_mm=1000, sid_mm=500, height=100, width=100, pixel_mm=1.0)
        >>> seen = project_annotations(notes, camera)
        >>> seen.pixels[0].round(), seen.depth_mm[0]
        (tensor([50., 50.], dtype=torch.float64), tensor(500., dtype=torch.float64))
        >>> seen.in_view.tolist(), seen.visibility.tolist()
        ([True, False, False], [2, 0, 0])
    """
    names = tuple(name for name, one in annotations.items() if isinstance(one, Point))
    placed = annotations.points
    device = camera.camera_from_world.device
    is_placed = torch.tensor([name in placed for name in names], dtype=torch.bool, device=device)
    # One without a place is computed at the point that the camera looks at, and then replaced: no gradient is NaN.
    nowhere = torch.zeros(3, dtype=torch.float64)
    points = torch.stack([placed.get(name, nowhere) for name in names]) if names else nowhere[None][:0]
    points = _in_world(points.to(device), world_from_annotations)
    pixels, depth, in_view = _seen(torch.where(is_placed[:, None], points, _ahead(camera)[..., None, :]), camera)
    in_view = in_view & is_placed
    hidden = torch.zeros_like(in_view)
    if scene is not None and names:
        hidden = hidden_by_metal(scene, camera, pixels.detach(), in_view)
    others = {name: one for name, one in annotations.items() if not isinstance(one, Point)}
    return ProjectedAnnotations(
        names=names,
        pixels=torch.where(is_placed[:, None], pixels, torch.nan),
        depth_mm=torch.where(is_placed, depth, torch.nan),
        in_view=in_view,
        hidden=hidden,
        outlines={
            name: camera.project_points(_in_world(one.points_mm.to(device), world_from_annotations))
            for name, one in others.items()
        },
        edges={name: one.edges for name, one in others.items()},
    )


def _in_world(points: Tensor, world_from_annotations: Tensor | None) -> Tensor:
    if world_from_annotations is None:
        return points
    place = world_from_annotations.to(points.device)
    return transform_points(place, points.to(place.dtype) if place.requires_grad else points)


def _ahead(camera: Camera) -> Tensor:
    """A point on the principal axis, at the detector [..., 3], without a gradient."""
    return (camera.source_world + camera.sdd_mm[..., None] * camera.principal_axis_world).detach()


def _seen(points_world: Tensor, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels [*batch, N, 2], depths along the rays and whether the detector's area is behind the points [*batch, N]."""
    pixels = camera.project_points(points_world)
    points_camera = transform_points(camera.camera_from_world, points_world)
    along_axis = points_camera[..., 2]
    in_front = along_axis > 0
    depth = along_axis if camera.orthographic else points_camera.norm(dim=-1)
    u, v = pixels.unbind(-1)  # comparisons with NaN are false
    on_area = (u >= 0) & (u <= camera.width) & (v >= 0) & (v <= camera.height)
    before_detector = along_axis <= camera.sdd_mm[..., None].to(along_axis)
    return pixels, torch.where(in_front, depth, torch.nan), in_front & on_area & before_detector
