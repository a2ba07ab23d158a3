"""Distances between poses."""

import torch
from torch import Tensor

from deepdrr._state import NamedState
from deepdrr.metrics._checks import check_positive

__all__ = ["DoubleGeodesicSE3", "check_poses", "rotation_angle"]


class DoubleGeodesicSE3(NamedState, torch.nn.Module):
    """Distance between two camera poses, with rotation and translation in the same unit.

    With the angle θ of R₁ᵀR₂ and the distance d between the two positions, each in the axes of its own camera (Rᵀt):

        rotation = θ · sdd/2        translation = d        both = √(rotation² + translation² + ε)

    A rotation moves the image on a radius of about half the source-to-detector distance.

    Args:
        sdd: source-to-detector distance, mm.
        eps: ε, mm²; makes the third value smooth where the poses are equal.

    Example:
        >>> pose = torch.eye(4)[None]
        >>> moved = pose.clone()
        >>> moved[0, 0, 3] = 5.0
        >>> rotation, translation, both = DoubleGeodesicSE3(sdd=1020.0)(pose, moved)
        >>> rotation.item(), translation.item(), round(both.item(), 3)
        (0.0, 5.0, 5.0)
    """

    sdr: float
    eps: float

    def __init__(self, sdd: float, eps: float = 1e-7) -> None:
        super().__init__()
        check_positive(float(sdd), "sdd")
        check_positive(eps, "eps")
        self.sdr = float(sdd) / 2
        self.eps = eps

    def forward(self, pose_1: Tensor, pose_2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation, translation and both, each [B], mm.

        Args:
            pose_1, pose_2: world_from_camera [B, 4, 4], mm.

        Raises:
            ValueError: for other shapes.
        """
        check_poses(pose_1, "pose_1")
        check_poses(pose_2, "pose_2")
        r1, r2 = pose_1[..., :3, :3], pose_2[..., :3, :3]
        t1 = (r1.transpose(-1, -2) @ pose_1[..., :3, 3:])[..., 0]
        t2 = (r2.transpose(-1, -2) @ pose_2[..., :3, 3:])[..., 0]
        rotation = self.sdr * rotation_angle(r1, r2)
        translation = (t1 - t2).norm(dim=-1)
        return rotation, translation, (rotation.square() + translation.square() + self.eps).sqrt()


def rotation_angle(r1: Tensor, r2: Tensor) -> Tensor:
    """Angle of the rotation from one orientation to another, θ = atan2(‖a‖, (tr R − 1)/2) with R = R₁ᵀR₂.

    a is the axial vector of (R − Rᵀ)/2. Unlike the arc cosine of the trace, this is as accurate at 0 and π as
    elsewhere; its derivative is defined as 0 at both.

    Args:
        r1, r2: rotations [..., 3, 3].

    Returns:
        [...], radians, 0 to π.
    """
    between = r1.transpose(-1, -2) @ r2
    cosine = (between.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1.0) / 2.0
    skew = (between - between.transpose(-1, -2)) / 2.0
    axial = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1)
    return torch.atan2(axial.norm(dim=-1), cosine)


def check_poses(pose: Tensor, name: str) -> None:
    """Check poses [..., 4, 4] of floating-point numbers.

    Raises:
        TypeError: if it is not a floating-point tensor.
        ValueError: for another shape.
    """
    if not isinstance(pose, Tensor) or not pose.is_floating_point():
        found = f"dtype {pose.dtype}" if isinstance(pose, Tensor) else type(pose).__name__
        raise TypeError(f"{name} must be a floating-point tensor, got {found}")
    if pose.dim() < 2 or pose.shape[-2:] != (4, 4):
        raise ValueError(f"{name} must be [B, 4, 4], got shape {tuple(pose.shape)}")
