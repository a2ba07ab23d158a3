"""Paths of a C-arm as lists of poses, and small random disturbances of them."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from deepdrr._numbers import as_count, as_number
from deepdrr.camera import Camera
from deepdrr.device._checks import check_kind
from deepdrr.device._geometry import CArmGeometry
from deepdrr.device._pose import CArmPose
from deepdrr.geometry import ArrayLike, as_point, rotation_about, translation

__all__ = ["cameras", "jitter", "jitter_camera", "orbit", "sweep"]


def sweep(start: CArmPose, stop: CArmPose, count: int) -> list[CArmPose]:
    """Poses at equal steps of angles and isocenter, both ends included.

    Args:
        start, stop: first and last pose.
        count: number of poses, at least 2.

    Raises:
        TypeError: if `count` is not an integer.
        ValueError: if `count` is less than 2.

    Example:
        >>> [pose.alpha_deg for pose in sweep(CArmPose(), CArmPose(alpha_deg=30), count=4)]
        [0.0, 10.0, 20.0, 30.0]
    """
    count = as_count(count, "count", least=2)
    first, last = ((*pose.angles_deg, *pose.isocenter) for pose in (start, stop))
    poses = []
    for index in range(count):
        t = index / (count - 1)
        alpha, beta, gamma, x, y, z = ((1.0 - t) * a + t * b for a, b in zip(first, last, strict=True))
        poses.append(CArmPose(alpha, beta, gamma, (x, y, z)))
    return poses


def orbit(start_deg: float, stop_deg: float, count: int, *, center: CArmPose | None = None) -> list[CArmPose]:
    """Poses about the patient's long axis: alpha at equal steps from start to stop, both included.

    Args:
        start_deg, stop_deg: first and last alpha, degrees. A full turn ends where it began: for 360 different views
            stop at 359.
        count: number of poses, at least 2.
        center: beta, gamma and isocenter of all of them; zero by default.
    """
    base = CArmPose() if center is None else center
    return sweep(replace(base, alpha_deg=start_deg), replace(base, alpha_deg=stop_deg), count)


def jitter(pose: CArmPose, generator: torch.Generator, *, angle_deg: float = 0.0, shift_mm: float = 0.0) -> CArmPose:
    """A pose near another: each angle and each coordinate of the isocenter displaced uniformly within ± its amplitude.

    Six numbers are drawn, whatever the amplitudes, so that changing one of them leaves the others' draws alone. Give
    every image its own generator and the result does not depend on the order in which images are made.

    Args:
        pose: the pose to disturb.
        generator: source of randomness (CPU).
        angle_deg: amplitude for alpha, beta and gamma, degrees.
        shift_mm: amplitude for x, y and z of the isocenter, mm.
    """
    angle, shift = _amplitude(angle_deg, "angle_deg"), _amplitude(shift_mm, "shift_mm")
    draws = 2.0 * torch.rand(6, generator=generator, dtype=torch.float64) - 1.0
    a, b, c, x, y, z = (draws * torch.tensor([angle] * 3 + [shift] * 3, dtype=torch.float64)).tolist()
    x0, y0, z0 = pose.isocenter
    return CArmPose(pose.alpha_deg + a, pose.beta_deg + b, pose.gamma_deg + c, (x0 + x, y0 + y, z0 + z))


def jitter_camera(
    camera: Camera,
    generator: torch.Generator,
    *,
    center: ArrayLike,
    angle_deg: float = 0.0,
    shift_mm: float = 0.0,
) -> Camera:
    """A camera near another, for devices without joints: turned about a point and shifted.

    The axis of the turn is uniform on the sphere, its angle uniform in [0, `angle_deg`], each coordinate of the shift
    uniform within ± `shift_mm`. Six numbers are drawn, whatever the amplitudes.

    Args:
        camera: an unbatched camera.
        generator: source of randomness (CPU).
        center: point of the world [3] about which to turn, mm.
        angle_deg: largest angle, degrees.
        shift_mm: largest shift along each axis, mm.
    """
    angle, shift = _amplitude(angle_deg, "angle_deg"), _amplitude(shift_mm, "shift_mm")
    fixed = as_point(center, "center")
    draws = torch.rand(6, generator=generator, dtype=torch.float64)
    offset = shift * (2.0 * draws[3:] - 1.0)
    turn = rotation_about(_on_sphere(draws[:2]), angle * float(draws[2]), fixed)
    return camera.moved(translation(offset) @ turn)


def cameras(
    poses: Sequence[CArmPose], geometry: CArmGeometry | None = None, *, viewed_from: str = "detector"
) -> Camera:
    """One batched camera from a path.

    Args:
        poses: at least one pose.
        geometry: distances and detector; a mobile C-arm's by default.
        viewed_from: side from which the pictures are seen, as in `Camera.carm`.

    Returns:
        A camera with batch shape [len(poses)].

    Raises:
        ValueError: if there are no poses.
    """
    if not poses:
        raise ValueError("poses must hold at least one pose, got none")
    device = CArmGeometry() if geometry is None else geometry
    check_kind(device, CArmGeometry, "geometry")
    return Camera.stack([device.camera(pose, viewed_from=viewed_from) for pose in poses])


def _on_sphere(uniform: Tensor) -> Tensor:
    """A uniform direction [3] from two uniform numbers: z and the longitude are uniform (Archimedes)."""
    z, longitude = 2.0 * float(uniform[0]) - 1.0, 2.0 * math.pi * float(uniform[1])
    across = math.sqrt(max(0.0, 1.0 - z * z))
    return torch.tensor([across * math.cos(longitude), across * math.sin(longitude), z], dtype=torch.float64)


def _amplitude(value: float, name: str) -> float:
    number = as_number(value, name)
    if number < 0.0:
        raise ValueError(f"{name} must not be negative, got {number}")
    return number
