"""Rigid motions described by a few numbers: SE(3), its exponential and logarithm, poses of rotation and position."""

import math

import torch
from torch import Tensor

from deepdrr._shapes import broadcast_shapes
from deepdrr.geometry._precision import full_precision, single_or_double
from deepdrr.geometry._rotations import Parameterization, rotation_to_matrix

__all__ = ["convert", "make_se3", "se3_exp_map", "se3_log_map", "transform_point"]

# Below this angle² the two coefficients of V come from their power series, above it from sines: there the difference
# θ − sin θ keeps all but five of its bits.
_SMALL = 0.25
_TERMS = 8


@full_precision
def convert(
    rotation: Tensor,
    translation: Tensor,
    parameterization: Parameterization | str,
    convention: str | None = None,
    degrees: bool = True,
    isocenter: Tensor | None = None,
) -> Tensor:
    """The pose of a rotation and a translation given by numbers.

    The translation is turned too: p ↦ R (p + translation) + isocenter, so that a camera at `translation` orbits the
    isocenter. With `SE3_LOG` both are the logarithm of a rigid motion (see `se3_exp_map`): p ↦ R p + V translation +
    isocenter.

    Args:
        rotation: [*B, D], see `Parameterization`.
        translation: [*B, 3], mm.
        parameterization: what the numbers of `rotation` are.
        convention: the axes of Euler angles, e.g. ``"ZXY"``; for them only.
        degrees: whether Euler angles are in degrees.
        isocenter: the point [3] to orbit, mm; the origin if None.

    Returns:
        [*B, 4, 4], float64 if the rotation and the translation are, else float32 or more as torch promotes them.

    Raises:
        ValueError: for shapes, names or conventions that are not accepted.
        TypeError: for tensors that are not floating point.

    Example:
        >>> pose = convert(torch.tensor([[90.0, 0, 0]]), torch.tensor([[100.0, 0, 0]]), "euler", "ZXY")
        >>> (pose @ torch.tensor([0.0, 0, 0, 1])).round().tolist()
        [[0.0, 100.0, 0.0, 1.0]]
    """
    matrix = rotation_to_matrix(rotation, parameterization, convention, degrees)
    offset = single_or_double(translation, "translation", 3)
    coupling = _coupling(rotation) if parameterization == Parameterization.SE3_LOG else matrix
    dtype = torch.promote_types(matrix.dtype, offset.dtype)
    position = (coupling.to(dtype) @ offset.to(dtype)[..., None])[..., 0]
    if isocenter is not None:
        position = position + single_or_double(isocenter, "isocenter", 3).to(dtype)
    return make_se3(matrix.to(dtype), position)


def make_se3(rotation: Tensor, translation: Tensor) -> Tensor:
    """The transforms p ↦ R p + t as homogeneous matrices, differentiable.

    Args:
        rotation: R [*B, 3, 3].
        translation: t [*B, 3], mm; the two batches broadcast.

    Returns:
        [*B, 4, 4].
    """
    batch = broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    top = torch.cat([rotation.expand(*batch, 3, 3), translation.expand(*batch, 3)[..., None]], dim=-1)
    last = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*batch, 1, 4)
    return torch.cat([top, last], dim=-2)


def se3_exp_map(log_rotation: Tensor, log_translation: Tensor) -> Tensor:
    """The exponential of SE(3): (ω, u) ↦ (R, V u), R = exp [ω]×,

        V = I + (1 − cos θ)/θ² [ω]× + (θ − sin θ)/θ³ [ω]×²,   θ = |ω|.

    Exact at and near θ = 0, with gradients. (Murray, Li and Sastry 1994, §2.3.)

    Args:
        log_rotation: ω, axis times angle in radians [*B, 3].
        log_translation: u [*B, 3], mm.

    Returns:
        [*B, 4, 4].

    Example:
        >>> se3_exp_map(torch.zeros(3), torch.tensor([1.0, 2, 3]))[:3, 3]
        tensor([1., 2., 3.])
    """
    return convert(log_rotation, log_translation, Parameterization.SE3_LOG)


@full_precision
def se3_log_map(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of SE(3), the inverse of `se3_exp_map` for angles up to 180°.

    Args:
        matrix: rigid transforms [*B, 4, 4].

    Returns:
        (ω, u): axis times angle in radians and u = V⁻¹ t in mm, each [*B, 3].
    """
    import roma  # Here, for it imports torch's compiler, seconds that `import deepdrr` need not take.

    single_or_double(matrix, "matrix", 4)
    if matrix.shape[-2:] != (4, 4):
        raise ValueError(f"matrix must be [..., 4, 4], got shape {tuple(matrix.shape)}")
    log_rotation: Tensor = roma.rotmat_to_rotvec(matrix[..., :3, :3])
    return log_rotation, torch.linalg.solve(_coupling(log_rotation), matrix[..., :3, 3:])[..., 0]


@full_precision
def transform_point(xform: Tensor, v: Tensor) -> Tensor:
    """Move points by homogeneous matrices, affine or projective: divided by the last coordinate.

    Args:
        xform: [B, …, N+1, N+1].
        v: points [B, …, N]. The first axes B go together, and what lies between broadcasts: [B, 4, 4] moves
            [B, P, 3].

    Returns:
        [B, …, N].

    Example:
        >>> move = torch.eye(4).repeat(2, 1, 1)
        >>> move[1, 0, 3] = 5.0
        >>> transform_point(move, torch.zeros(2, 1, 3)).tolist()
        [[[0.0, 0.0, 0.0]], [[5.0, 0.0, 0.0]]]
    """
    if xform.dim() < 3 or v.dim() < 2 or xform.shape[-2:] != (v.shape[-1] + 1,) * 2:
        raise ValueError(
            f"xform must be [B, ..., N+1, N+1] and v [B, ..., N], got shapes {tuple(xform.shape)} and {tuple(v.shape)}"
        )
    rank = max(xform.dim() - 1, v.dim())
    matrix, points = _after_first(xform, rank + 1), _after_first(v, rank)
    moved = (matrix[..., :-1] @ points[..., None])[..., 0] + matrix[..., -1]
    return moved[..., :-1] / moved[..., -1:]


def _after_first(tensor: Tensor, rank: int) -> Tensor:
    """A tensor with as many axes, ones put after its first."""
    return tensor.reshape(tensor.shape[0], *(1,) * (rank - tensor.dim()), *tensor.shape[1:])


def _coupling(log_rotation: Tensor) -> Tensor:
    """V [*B, 3, 3] of `se3_exp_map`."""
    omega = single_or_double(log_rotation, "rotation", 3)
    square = (omega * omega).sum(dim=-1)[..., None, None]
    small = square < _SMALL
    low, high = torch.where(small, square, 0.0), torch.where(small, 1.0, square)
    theta = high.sqrt()
    first = torch.where(small, _series(low, 2), 2 * (theta / 2).sin() ** 2 / high)
    second = torch.where(small, _series(low, 3), (theta - theta.sin()) / (high * theta))
    x, y, z = omega.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    identity = torch.eye(3, dtype=omega.dtype, device=omega.device)
    coupling: Tensor = identity + first * cross + second * (cross @ cross)
    return coupling


def _series(square: Tensor, first: int) -> Tensor:
    """Σₖ (−θ²)ᵏ / (2k + first)!, of (1 − cos θ)/θ² for first = 2 and of (θ − sin θ)/θ³ for first = 3."""
    result = torch.zeros_like(square)
    for k in reversed(range(_TERMS)):
        result = 1.0 / math.factorial(2 * k + first) - square * result
    return result
