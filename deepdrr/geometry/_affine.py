"""Rigid and affine transforms as homogeneous matrices named `a_from_b`."""

import math

import torch
from torch import Tensor

from deepdrr._functorch import untransformed
from deepdrr._numbers import as_number
from deepdrr.geometry._points import ArrayLike, as_point
from deepdrr.geometry._precision import in_double

__all__ = [
    "RAS_FROM_LPS",
    "check_affine",
    "check_rigid",
    "invert_rigid",
    "rigid",
    "rotation",
    "rotation_about",
    "translation",
]

RAS_FROM_LPS = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
"""DICOM and ITK count toward left and posterior, NIfTI and deepdrr toward right and anterior."""

# Headers store direction cosines with 6 to 8 digits: a rotation from a file is orthogonal to about 1e-6.
_RIGID_TOLERANCE = 1e-4


def rotation(axis: ArrayLike, degrees: float) -> Tensor:
    """Right-handed rotation about an axis, R = I + sin θ [a]× + (1 − cos θ) [a]×² (Rodrigues).

    Args:
        axis: direction of the axis [3], any length but zero.
        degrees: angle θ.

    Returns:
        float64 rotation matrix [3, 3].

    Example:
        >>> from deepdrr.geometry import vector
        >>> rotation((0, 0, 1), 90) @ vector(1, 0, 0)
        tensor([0., 1., 0.], dtype=torch.float64)
    """
    direction = as_point(axis, "axis")
    length = float(direction.norm())
    if length == 0.0:
        raise ValueError("axis must not be the zero vector, got [0, 0, 0]")
    degrees = as_number(degrees, "degrees")
    x, y, z = (direction / length).tolist()
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    sine, cosine = _exact_sin_cos(degrees)
    return torch.eye(3, dtype=torch.float64) + sine * cross + (1.0 - cosine) * cross @ cross


def rigid(rotation: Tensor, translation: ArrayLike) -> Tensor:
    """The transform p ↦ R p + t as a homogeneous matrix.

    Args:
        rotation: R [3, 3].
        translation: t [3] (mm).

    Returns:
        float64 [4, 4].
    """
    check_rigid(rotation, "rotation")
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = as_point(translation, "translation")
    return matrix


def translation(offset: ArrayLike) -> Tensor:
    """The transform p ↦ p + offset, float64 [4, 4], offset in mm."""
    return rigid(torch.eye(3, dtype=torch.float64), offset)


def rotation_about(axis: ArrayLike, degrees: float, center: ArrayLike) -> Tensor:
    """Rotation about an axis through a point that stays where it is.

    Args:
        axis: direction [3].
        degrees: angle, right-handed.
        center: fixed point [3] (mm).

    Returns:
        float64 [4, 4].
    """
    fixed = as_point(center, "center")
    turn = rotation(axis, degrees)
    return rigid(turn, fixed - turn @ fixed)


def invert_rigid(b_from_a: Tensor) -> Tensor:
    """Inverse of a rigid transform, (R, t) ↦ (Rᵀ, −Rᵀ t): exact, differentiable, without a solve.

    Args:
        b_from_a: rigid transforms [..., 4, 4].

    Returns:
        a_from_b [..., 4, 4].
    """
    rotation_t = b_from_a[..., :3, :3].transpose(-1, -2)
    offset = -rotation_t @ b_from_a[..., :3, 3:]
    top = torch.cat([rotation_t, offset], dim=-1)
    return torch.cat([top, b_from_a[..., 3:, :]], dim=-2)


def check_affine(matrix: ArrayLike, name: str) -> Tensor:
    """Check one affine transform: finite, [4, 4], last row 0 0 0 1, invertible.

    Args:
        matrix: the transform.
        name: the argument's name, for the error message.

    Returns:
        float64 [4, 4].

    Raises:
        TypeError: if it is not a matrix of numbers.
        ValueError: says what is wrong and shows the matrix.
    """
    try:
        affine = in_double(matrix) if isinstance(matrix, Tensor) else torch.as_tensor(matrix, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be a 4×4 matrix of numbers, got {matrix!r}") from error
    if affine.shape != (4, 4):
        raise ValueError(f"{name} must be a 4×4 matrix, got shape {tuple(affine.shape)}")
    if not bool(torch.isfinite(affine).all()):
        raise ValueError(f"{name} must be finite, got {affine.tolist()}")
    if affine[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
        raise ValueError(f"{name} must end in the row 0 0 0 1, got {affine[3].tolist()}")
    numbers = affine.detach()[:3, :3]
    columns = numbers.norm(dim=0)
    volume = float(torch.linalg.det(numbers).abs())
    # Relative to a box of the same edges: 1e-6 is a grid sheared to within 0.0001 degrees of a plane.
    if volume <= 1e-6 * float(columns.prod()):
        raise ValueError(f"{name} must be invertible, got the singular matrix {affine.tolist()}")
    return affine


def check_rigid(matrix: Tensor, name: str) -> None:
    """Check that the upper-left 3×3 block is a rotation (orthogonal, determinant +1).

    Args:
        matrix: [..., 3, 3] or [..., 4, 4].
        name: the argument's name, for the error message.

    Raises:
        ValueError: says how far from a rotation the matrix is.
    """
    if matrix.dim() < 2 or matrix.shape[-2:] not in ((3, 3), (4, 4)):
        raise ValueError(f"{name} must be [..., 3, 3] or [..., 4, 4], got shape {tuple(matrix.shape)}")
    numbers = untransformed(matrix)
    block = in_double(numbers[..., :3, :3])
    if not bool(torch.isfinite(numbers).all()):
        raise ValueError(f"{name} must be finite, got {numbers.tolist()}")
    defect = (block @ block.transpose(-1, -2) - torch.eye(3, dtype=torch.float64, device=block.device)).abs()
    if defect.numel() and float(defect.max()) > _RIGID_TOLERANCE:
        raise ValueError(f"{name} must be a rotation (R Rᵀ = I), off by {float(defect.max()):.3g}")
    if bool((torch.linalg.det(block) < 0).any()):
        raise ValueError(f"{name} must be a rotation, got a reflection (determinant −1)")


def _exact_sin_cos(degrees: float) -> tuple[float, float]:
    """Sine and cosine that are exactly 0 and ±1 at multiples of 90°, so that a quarter turn maps grids onto grids."""
    quarter, rest = divmod(degrees, 90.0)
    sine, cosine = math.sin(math.radians(rest)), math.cos(math.radians(rest))
    return ((sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine))[int(quarter) % 4]
