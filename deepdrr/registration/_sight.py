"""Whether cameras see the CT at all, and how far away from their beams it lies if not."""

import torch
from torch import Tensor

from deepdrr.geometry import in_double
from deepdrr.registration._registration import Registration

__all__ = ["check_sight"]

_POINTS_PER_EDGE = 17  # of the CT's box: 25 mm apart in a box of 400 mm


def check_sight(registration: Registration, seen: Tensor) -> None:
    """Check that every camera of a registration sees something of the CT.

    Args:
        registration: cameras and patient.
        seen: their pictures [V, 1, H, W] at the start.

    Raises:
        ValueError: if one sees nothing; it says how far the CT is from the beam.
    """
    for view, picture in enumerate(seen):
        if bool(picture.max() > picture.min()):
            continue
        away = _distance_mm(registration, view)
        pose = registration.pose.detach()[view]
        where = f"lies {away:.0f} mm beside the beam" if away >= 0.5 else "shows nothing but air there"
        raise ValueError(
            f"every camera must see the CT at the start: that of view {view + 1} is at "
            f"{_shown(pose[:3, 3])} mm and looks along {_shown(pose[:3, 2], 2)}, and the CT, whose middle is at "
            f"{_shown(_box_points(registration).mean(dim=0))} mm, {where}"
        )


def _distance_mm(registration: Registration, view: int) -> float:
    """Least distance of the CT's box from the pyramid (or, for parallel beams, the prism) between source and panel."""
    points = _box_points(registration)
    pose = in_double(registration.pose.detach()[view]).cpu()
    points = (points - pose[:3, 3]) @ pose[:3, :3]
    k_inv = in_double(registration.k_inv.detach().expand(registration.views, 3, 3)[view]).cpu()
    sdd = float(registration.sdd.detach().expand(registration.views)[view])
    width, height = registration.width, registration.height
    corners = k_inv.new_tensor([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ k_inv.T * sdd
    following = corners.roll(-1, dims=0)
    if registration.orthographic:
        along = k_inv.new_tensor([[0.0, 0.0, 1.0]]).expand(4, 3)
        normals = torch.linalg.cross(following - corners, along)
    else:
        normals = torch.linalg.cross(corners, following)
    normals = normals / normals.norm(dim=1, keepdim=True)
    offsets = -(normals * corners).sum(dim=1)
    outward = torch.where(normals @ corners.mean(dim=0) + offsets > 0, -1.0, 1.0)
    beside = ((points @ normals.T + offsets) * outward).amax(dim=1)
    depth = points[:, 2]
    before_or_behind = torch.maximum(-depth, depth - sdd)
    return float(torch.maximum(beside, before_or_behind).clamp_min(0.0).min())


def _box_points(registration: Registration) -> Tensor:
    """Points of the CT's box in the world [N, 3], mm."""
    subject = registration.subject
    size = torch.tensor(subject.image_hu.shape[:1:-1], dtype=torch.float64)
    steps = torch.linspace(0.0, 1.0, _POINTS_PER_EDGE, dtype=torch.float64)
    corners = torch.cartesian_prod(steps, steps, steps) * size - 0.5
    matrix = in_double(subject.voxel_to_world.detach()).cpu()
    return corners @ matrix[:3, :3].T + matrix[:3, 3]


def _shown(point: Tensor, digits: int = 0) -> str:
    return "(" + ", ".join(f"{number:.{digits}f}" for number in point.tolist()) + ")"
