"""Errors of points: targets in the patient and landmarks in the image."""

import torch
from torch import Tensor

from deepdrr._state import NamedState
from deepdrr.camera import project_points
from deepdrr.geometry import invert_rigid, transform_points
from deepdrr.metrics._checks import check_positive
from deepdrr.metrics._geodesic import check_poses

__all__ = [
    "LandmarkReprojectionLoss",
    "landmark_reprojection_error",
    "mean_target_registration_error",
    "target_registration_error",
]


def target_registration_error(estimated: Tensor, truth: Tensor, targets_world: Tensor) -> Tensor:
    """Distance of each target of the patient from its true position in the camera's frame: ‖C p − C* p‖.

    Args:
        estimated, truth: world_from_camera [B, 4, 4], mm; C and C* are their inverses.
        targets_world: points of the patient [N, 3] or [B, N, 3], mm.

    Returns:
        [B, N], mm.

    Raises:
        ValueError: for other shapes.

    Example:
        >>> truth = torch.eye(4)[None]
        >>> moved = truth.clone()
        >>> moved[0, :3, 3] = torch.tensor([0.0, 3.0, 4.0])
        >>> target_registration_error(moved, truth, torch.tensor([[0.0, 0.0, 500.0], [50.0, 0.0, 500.0]]))
        tensor([[5., 5.]])
    """
    check_poses(estimated, "estimated")
    check_poses(truth, "truth")
    _check_points(targets_world, "targets_world", 3)
    seen, wanted = (transform_points(invert_rigid(pose), targets_world) for pose in (estimated, truth))
    error: Tensor = (seen - wanted).norm(dim=-1)
    return error


def mean_target_registration_error(estimated: Tensor, truth: Tensor, targets_world: Tensor) -> Tensor:
    """`target_registration_error` averaged over the targets (mTRE), [B], mm."""
    return target_registration_error(estimated, truth, targets_world).mean(dim=-1)


def landmark_reprojection_error(points_world: Tensor, pixels: Tensor, k_inv: Tensor, rt_inv: Tensor) -> Tensor:
    """Distance in the image between the observed and the projected landmarks.

    Args:
        points_world: landmarks of the patient [N, 3] or [B, N, 3], mm.
        pixels: observed (u, v) [N, 2] or [B, N, 2], pixels, centres at +0.5; NaN for a landmark that is not seen.
        k_inv: inverse intrinsics [B, 3, 3].
        rt_inv: world_from_camera [B, 4, 4], mm.

    Returns:
        [B, N], pixels; 0, without a gradient, for a landmark that is not seen.

    Raises:
        ValueError: for other shapes, or if a landmark that is seen lies behind the source of a pose.

    Example:
        >>> k_inv = torch.tensor([[[0.001, 0.0, -0.1], [0.0, 0.001, -0.1], [0.0, 0.0, 1.0]]])  # f = 1000 px, centre 100
        >>> point, seen = torch.tensor([[1.0, 0.0, 500.0]]), torch.tensor([[105.0, 104.0]])
        >>> landmark_reprojection_error(point, seen, k_inv, torch.eye(4)[None])
        tensor([[5.]])
    """
    check_poses(rt_inv, "rt_inv")
    _check_points(points_world, "points_world", 3)
    _check_points(pixels, "pixels", 2)
    if points_world.shape[-2] != pixels.shape[-2]:
        raise ValueError(
            f"points_world and pixels must be as many, got {points_world.shape[-2]} and {pixels.shape[-2]}"
        )
    is_seen = torch.isfinite(pixels).all(dim=-1)
    projected, in_front = project_points(points_world, k_inv, rt_inv)
    if bool((is_seen & ~in_front).any()):
        behind = (is_seen & ~in_front).nonzero()[0].tolist()
        raise ValueError(f"points_world must be in front of the source where they are seen, landmark {behind} is not")
    offset = torch.where(is_seen[..., None], projected - pixels, 0.0)
    error: Tensor = offset.norm(dim=-1)
    return error


class LandmarkReprojectionLoss(NamedState, torch.nn.Module):
    """Huber loss of `landmark_reprojection_error`, averaged over the landmarks that are seen.

    For an error e it is e²/2δ below δ and e − δ/2 above, in pixels. So a misplaced landmark pulls no harder than
    one that is off by δ.

    Args:
        points_world: landmarks [N, 3], mm.
        pixels: observed positions [N, 2] or [B, N, 2], pixels; NaN for landmarks that are not seen.
        delta_px: δ, pixels.

    Raises:
        ValueError: for other shapes, or if no landmark is seen.
    """

    points_world: Tensor
    pixels: Tensor
    delta_px: float

    def __init__(self, points_world: Tensor, pixels: Tensor, delta_px: float = 10.0) -> None:
        super().__init__()
        _check_points(points_world, "points_world", 3)
        _check_points(pixels, "pixels", 2)
        check_positive(delta_px, "delta_px")
        if not bool(torch.isfinite(pixels).all(dim=-1).any(dim=-1).all()):
            raise ValueError(
                "pixels must hold at least one landmark that is seen in each image, got NaN for all of one"
            )
        self.register_buffer("points_world", points_world)
        self.register_buffer("pixels", pixels)
        self.delta_px = delta_px

    def forward(self, k_inv: Tensor, rt_inv: Tensor) -> Tensor:
        """The loss [B] of poses [B, 4, 4], pixels."""
        error = landmark_reprojection_error(self.points_world, self.pixels, k_inv, rt_inv)
        small, large = error.square() / (2 * self.delta_px), error - self.delta_px / 2
        count = torch.isfinite(self.pixels).all(dim=-1).sum(dim=-1)
        return torch.where(error < self.delta_px, small, large).sum(dim=-1) / count


def _check_points(points: Tensor, name: str, size: int) -> None:
    if not isinstance(points, Tensor) or not points.is_floating_point():
        found = f"dtype {points.dtype}" if isinstance(points, Tensor) else type(points).__name__
        raise TypeError(f"{name} must be a floating-point tensor, got {found}")
    if points.dim() < 2 or points.shape[-1] != size:
        raise ValueError(f"{name} must be [N, {size}] or [B, N, {size}], got shape {tuple(points.shape)}")
